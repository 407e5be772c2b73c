package synod.e2e;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.seata.core.exception.TransactionException;
import org.apache.seata.core.model.BranchStatus;
import org.apache.seata.core.model.BranchType;
import org.apache.seata.core.model.GlobalStatus;
import org.apache.seata.core.model.Resource;
import org.apache.seata.core.model.TransactionManager;
import org.apache.seata.core.protocol.AbstractMessage;
import org.apache.seata.core.protocol.AbstractResultMessage;
import org.apache.seata.core.protocol.ResultCode;
import org.apache.seata.core.protocol.transaction.AbstractBranchEndRequest;
import org.apache.seata.core.protocol.transaction.AbstractBranchEndResponse;
import org.apache.seata.core.protocol.transaction.BranchCommitRequest;
import org.apache.seata.core.protocol.transaction.BranchCommitResponse;
import org.apache.seata.core.protocol.transaction.BranchRollbackRequest;
import org.apache.seata.core.protocol.transaction.BranchRollbackResponse;
import org.apache.seata.core.rpc.RpcContext;
import org.apache.seata.core.rpc.TransactionMessageHandler;
import org.apache.seata.core.rpc.netty.RmNettyRemotingClient;
import org.apache.seata.rm.AbstractResourceManager;
import org.apache.seata.tm.DefaultTransactionManager;
import org.apache.seata.tm.TMClient;

/**
 * Load by Seata's own client, for the bench: all of it but databases and actions, which are replaced by a yes. Arguments are the
 * kind of load (empty, tcc or at) and how many threads each have one transaction under way, from the start on.
 *
 * <p>It says true when it has begun; then each line of input, "measure MS" or "drain MS", has one line of JSON as answer. A
 * transaction is finished when its commit was answered and each of its branches was told.
 */
public final class Load {
    private static final String APPLICATION = "synod-bench";
    private static final String GROUP = "synod";
    private static final int TIMEOUT_MS = 60_000;
    private static final int DRAIN_PAUSE_MS = 5;
    private static final String[] ACTIONS = {"benchDebit", "benchCredit"};
    private static final String[] DATABASES = {
        "jdbc:mysql://db1.bench:3306/accounts", "jdbc:mysql://db2.bench:3306/accounts"
    };

    private final String kind;
    private final TransactionManager transactions = new DefaultTransactionManager();
    private final Resources resources = new Resources();
    /** Of every branch that was not told yet, its transaction: how often it must be told something until it is finished. */
    private final Map<Long, AtomicInteger> branches = new ConcurrentHashMap<>();
    private final AtomicLong numbers = new AtomicLong();
    private final AtomicLong acknowledged = new AtomicLong();
    private final AtomicLong finished = new AtomicLong();
    private final AtomicLong repeated = new AtomicLong();
    private final AtomicLong wrong = new AtomicLong();
    private final List<Client> clients = new ArrayList<>();
    private volatile boolean isMeasuring;
    private volatile boolean isOver;
    private volatile Throwable failure;

    private Load(String kind) {
        this.kind = kind;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err);
        Load load = new Load(arguments[0]);
        load.start(Integer.parseInt(arguments[1]));
        out.println(true);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            long milliseconds = Long.parseLong(words[1]);
            String answer = words[0].equals("measure") ? load.measure(milliseconds) : load.drain(milliseconds);
            out.println(load.failure == null ? answer : "failed: " + load.failure);
        }
        System.exit(0);
    }

    private void start(int threads) {
        TMClient.init(APPLICATION, GROUP);
        RmNettyRemotingClient client = RmNettyRemotingClient.getInstance(APPLICATION, GROUP);
        client.setResourceManager(resources);
        client.setTransactionMessageHandler(new Yes());
        client.init();
        for (int i = 0; i < threads; i++) {
            clients.add(new Client());
        }
        clients.forEach(Thread::start);
    }

    private String measure(long milliseconds) throws InterruptedException {
        clients.forEach(Client::latencies);
        String before = counts();
        long begin = System.nanoTime();
        isMeasuring = true;
        Thread.sleep(milliseconds);
        isMeasuring = false;
        double seconds = seconds(begin);
        return String.format(Locale.ROOT, "{\"before\":%s,\"after\":%s,\"seconds\":%f,\"latency\":%s}", before, counts(),
                seconds, latency());
    }

    private String drain(long milliseconds) throws InterruptedException {
        isOver = true;
        long begin = System.nanoTime();
        while (!isDone() && seconds(begin) * 1000 < milliseconds) {
            Thread.sleep(DRAIN_PAUSE_MS);
        }
        return String.format(Locale.ROOT, "{\"counts\":%s,\"seconds\":%f}", counts(), seconds(begin));
    }

    private boolean isDone() {
        return clients.stream().noneMatch(Thread::isAlive) && acknowledged.get() == finished.get();
    }

    private static double seconds(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }

    private String counts() {
        // Finished first: what finishes in between must not be more than what was acknowledged.
        long finishedNow = finished.get();
        return String.format(
                "{\"acknowledged\":%d,\"finished\":%d,\"rolled_back\":0,\"conflicts\":0,\"repeated\":%d,\"wrong\":%d}",
                acknowledged.get(), finishedNow, repeated.get(), wrong.get());
    }

    private String latency() {
        long[] all = clients.stream().flatMapToLong(client -> Arrays.stream(client.latencies())).sorted().toArray();
        return String.format(Locale.ROOT, "{\"p50_ms\":%f,\"p99_ms\":%f,\"p999_ms\":%f,\"max_ms\":%f}",
                quantile(all, 0.5), quantile(all, 0.99), quantile(all, 0.999), quantile(all, 1));
    }

    private static double quantile(long[] sorted, double quantile) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.ceil(quantile * sorted.length) - 1] / 1e6;
    }

    private void told(AtomicInteger left) {
        if (left.decrementAndGet() == 0) {
            finished.incrementAndGet();
        }
    }

    /** One transaction after the other. */
    private final class Client extends Thread {
        private long[] latencies = new long[1 << 12];
        private int count;

        @Override
        public void run() {
            try {
                while (!isOver) {
                    long begin = System.nanoTime();
                    transact();
                    if (isMeasuring) {
                        note(System.nanoTime() - begin);
                    }
                }
            } catch (Throwable thrown) {
                failure = thrown;
            }
        }

        private synchronized void note(long latency) {
            if (count == latencies.length) {
                latencies = Arrays.copyOf(latencies, 2 * count);
            }
            latencies[count++] = latency;
        }

        /** Those noted since this was asked last. */
        private synchronized long[] latencies() {
            long[] all = Arrays.copyOf(latencies, count);
            count = 0;
            return all;
        }

        private void transact() throws TransactionException {
            String xid = transactions.begin(null, null, "bench", TIMEOUT_MS);
            int count = kind.equals("empty") ? 0 : DATABASES.length;
            // The answer to the commit, too.
            AtomicInteger left = new AtomicInteger(count + 1);
            for (int at = 0; at < count; at++) {
                branches.put(kind.equals("tcc") ? tcc(xid, at) : at(xid, at), left);
            }
            GlobalStatus status = transactions.commit(xid);
            if (status != GlobalStatus.Committed) {
                throw new IllegalStateException(xid + " was answered " + status);
            }
            acknowledged.incrementAndGet();
            told(left);
        }

        private long at(String xid, int at) throws TransactionException {
            String rows = "account:" + numbers.incrementAndGet();
            return resources.branchRegister(BranchType.AT, DATABASES[at], null, xid, "{\"autoCommit\":true}", rows);
        }

        private long tcc(String xid, int at) throws TransactionException {
            String context = "{\"actionContext\":{\"action-start-time\":1795292224314,\"host-name\":\"192.0.2.2\","
                    + "\"useTCCFence\":false,\"sys::prepare\":\"prepare\",\"sys::commit\":\"commit\","
                    + "\"sys::rollback\":\"rollback\",\"actionName\":\"" + ACTIONS[at] + "\",\"account\":"
                    + numbers.incrementAndGet() + "}}";
            return resources.branchRegister(BranchType.TCC, ACTIONS[at], null, xid, context, null);
        }
    }

    /** Says yes to whatever a branch is told. */
    private final class Yes implements TransactionMessageHandler {
        @Override
        public AbstractResultMessage onRequest(AbstractMessage request, RpcContext context) {
            if (request instanceof BranchCommitRequest) {
                AtomicInteger left = branches.remove(((BranchCommitRequest) request).getBranchId());
                if (left == null) {
                    repeated.incrementAndGet();
                } else {
                    told(left);
                }
                return answer(request, new BranchCommitResponse(), BranchStatus.PhaseTwo_Committed);
            }
            if (request instanceof BranchRollbackRequest) {
                wrong.incrementAndGet();
                return answer(request, new BranchRollbackResponse(), BranchStatus.PhaseTwo_Rollbacked);
            }
            return null;
        }

        @Override
        public void onResponse(AbstractResultMessage response, RpcContext context) {}
    }

    private static AbstractResultMessage answer(AbstractMessage request, AbstractBranchEndResponse answer,
            BranchStatus status) {
        AbstractBranchEndRequest branch = (AbstractBranchEndRequest) request;
        answer.setXid(branch.getXid());
        answer.setBranchId(branch.getBranchId());
        answer.setBranchStatus(status);
        answer.setResultCode(ResultCode.Success);
        return answer;
    }

    /** Resources that are nothing but their names. */
    private static final class Resources extends AbstractResourceManager {
        private final Map<String, Resource> all = new ConcurrentHashMap<>();

        Resources() {
            for (String name : DATABASES) {
                all.put(name, new Named(name, BranchType.AT));
            }
            for (String name : ACTIONS) {
                all.put(name, new Named(name, BranchType.TCC));
            }
        }

        @Override
        public Map<String, Resource> getManagedResources() {
            return all;
        }

        @Override
        public BranchType getBranchType() {
            return BranchType.AT;
        }

        @Override
        public BranchStatus branchCommit(BranchType type, String xid, long branch, String resource, String data) {
            return BranchStatus.PhaseTwo_Committed;
        }

        @Override
        public BranchStatus branchRollback(BranchType type, String xid, long branch, String resource, String data) {
            return BranchStatus.PhaseTwo_Rollbacked;
        }
    }

    private static final class Named implements Resource {
        private final String name;
        private final BranchType type;

        Named(String name, BranchType type) {
            this.name = name;
            this.type = type;
        }

        @Override
        public String getResourceGroupId() {
            return "DEFAULT";
        }

        @Override
        public String getResourceId() {
            return name;
        }

        @Override
        public BranchType getBranchType() {
            return type;
        }
    }
}
