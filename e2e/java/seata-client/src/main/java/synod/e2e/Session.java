package synod.e2e;

import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.core.model.BranchType;
import org.apache.seata.core.model.GlobalLockConfig;
import org.apache.seata.core.model.Resource;
import org.apache.seata.rm.DefaultResourceManager;
import org.apache.seata.rm.GlobalLockExecutor;
import org.apache.seata.rm.GlobalLockTemplate;
import org.apache.seata.tm.api.GlobalTransaction;
import org.apache.seata.tm.api.GlobalTransactionContext;
import org.apache.seata.tm.api.TransactionalExecutor;
import org.apache.seata.tm.api.TransactionalTemplate;
import org.apache.seata.tm.api.transaction.TransactionInfo;

/**
 * A thread that carries out commands, in and out of global transactions.
 *
 * <p>begin TIMEOUT_MS NAME (until commit or rollback, through Seata's template as an annotated method would be) | bind XID |
 * unbind | commit-of XID | rollback-of XID | status-of XID | open DATABASE at|xa URL USER | sql DATABASE STATEMENT |
 * local-begin DATABASE | local-commit DATABASE | local-rollback DATABASE | global-lock DATABASE STATEMENT |
 * lockable DATABASE KEYS | action NAME | try NAME TEXT | plan NAME commit|rollback BEHAVIOUR... | machines URL USER |
 * plan-step METHOD BEHAVIOUR... | run-machine NAME TEXT.
 */
final class Session implements Runnable {
    /** What Seata's annotations say unless they are told otherwise. */
    private static final int AS_CONFIGURED = -1;

    private final BlockingQueue<Command> commands = new LinkedBlockingQueue<>();
    private final Resources resources;
    private final Connections connections;

    Session(String name, Resources resources) {
        this.resources = resources;
        this.connections = new Connections(resources);
        Thread thread = new Thread(this, "session-" + name);
        thread.setDaemon(true);
        thread.start();
    }

    void offer(Command command) {
        commands.add(command);
    }

    @Override
    public void run() {
        try {
            while (true) {
                Command command = commands.take();
                if (command.verb().equals("begin")) {
                    transaction(command);
                } else {
                    obey(command);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void obey(Command command) {
        try {
            command.answer(answer(command));
        } catch (Throwable failure) {
            command.fail(failure);
        }
    }

    private Object[] answer(Command command) throws Throwable {
        switch (command.verb()) {
            case "bind":
                RootContext.bind(command.argument(0));
                return new Object[0];
            case "unbind":
                return new Object[] {"xid", RootContext.unbind()};
            case "commit-of":
                GlobalTransaction committed = GlobalTransactionContext.reload(command.argument(0));
                committed.commit();
                return new Object[] {"status", committed.getLocalStatus()};
            case "rollback-of":
                GlobalTransaction rolledBack = GlobalTransactionContext.reload(command.argument(0));
                rolledBack.rollback();
                return new Object[] {"status", rolledBack.getLocalStatus()};
            case "status-of":
                return new Object[] {"status", GlobalTransactionContext.reload(command.argument(0)).getStatus()};
            case "open":
                resources.open(command.argument(0), command.argument(1), command.argument(2), command.argument(3));
                return new Object[0];
            case "sql":
                return connections.run(command.argument(0), command.argument(1));
            case "local-begin":
                connections.begin(command.argument(0));
                return new Object[0];
            case "local-commit":
                connections.end(command.argument(0), true);
                return new Object[0];
            case "local-rollback":
                connections.end(command.argument(0), false);
                return new Object[0];
            case "global-lock":
                return underGlobalLock(() -> connections.run(command.argument(0), command.argument(1)));
            case "lockable":
                return underGlobalLock(() -> lockable(command.argument(0), command.argument(1)));
            case "action":
                resources.addAction(command.argument(0));
                return new Object[0];
            case "plan":
                String[] behaviours = Arrays.copyOfRange(command.arguments(), 2, command.arguments().length);
                resources.action(command.argument(0)).plan(command.argument(1), behaviours);
                return new Object[0];
            case "try":
                long branch = resources.action(command.argument(0)).attempt(RootContext.getXID(), command.argument(1));
                return new Object[] {"branch", branch};
            case "machines":
                resources.openMachines(command.argument(0), command.argument(1));
                return new Object[0];
            case "plan-step":
                String[] steps = Arrays.copyOfRange(command.arguments(), 1, command.arguments().length);
                resources.machines().plan(command.argument(0), steps);
                return new Object[0];
            case "run-machine":
                return resources.machines().start(command.argument(0), command.argument(1));
            default:
                throw new IllegalArgumentException("unknown command " + command.verb());
        }
    }

    private interface Work {
        Object[] run() throws Exception;
    }

    /** As a method with Seata's annotation would be run. */
    private static Object[] underGlobalLock(Work work) throws Throwable {
        return (Object[]) new GlobalLockTemplate().execute(new GlobalLockExecutor() {
            @Override
            public Object execute() throws Throwable {
                return work.run();
            }

            @Override
            public GlobalLockConfig getGlobalLockConfig() {
                GlobalLockConfig config = new GlobalLockConfig();
                config.setLockRetryTimes(AS_CONFIGURED);
                return config;
            }
        });
    }

    /** Asks whether rows ("table:pk,pk;table:pk") are free, or held by the bound transaction. */
    private Object[] lockable(String database, String keys) throws Exception {
        String resource = ((Resource) resources.database(database)).getResourceId();
        boolean free = DefaultResourceManager.get().lockQuery(BranchType.AT, resource, RootContext.getXID(), keys);
        return new Object[] {"lockable", free};
    }

    /** Runs a global transaction; its commands come between "begin" and "commit" or "rollback", which has the outcome. */
    private void transaction(Command begin) {
        Command[] last = {begin};
        try {
            new TransactionalTemplate().execute(new TransactionalExecutor() {
                @Override
                public Object execute() throws Throwable {
                    begin.answer("xid", RootContext.getXID());
                    last[0] = obeyUntilEnd();
                    if (last[0].verb().equals("rollback")) {
                        throw new RollbackWanted();
                    }
                    return null;
                }

                @Override
                public TransactionInfo getTransactionInfo() {
                    TransactionInfo info = new TransactionInfo();
                    info.setTimeOut(begin.number(0));
                    info.setName(begin.argument(1));
                    info.setLockRetryTimes(AS_CONFIGURED);
                    return info;
                }
            });
            last[0].answer("code", "CommitDone");
        } catch (TransactionalExecutor.ExecutionException outcome) {
            GlobalTransaction transaction = outcome.getTransaction();
            Throwable cause = outcome.getCause();
            last[0].answer("code", outcome.getCode(), "status", transaction.getLocalStatus(), "cause",
                    cause == null ? null : cause.toString());
        } catch (Throwable failure) {
            last[0].fail(failure);
        }
    }

    private Command obeyUntilEnd() throws InterruptedException {
        while (true) {
            Command command = commands.take();
            if (command.verb().equals("commit") || command.verb().equals("rollback")) {
                return command;
            }
            obey(command);
        }
    }

    /** What an application throws to have its transaction rolled back. */
    private static final class RollbackWanted extends Exception {
        private static final long serialVersionUID = 1;

        RollbackWanted() {
            super("told to roll back");
        }
    }
}
