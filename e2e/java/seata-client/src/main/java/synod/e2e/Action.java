package synod.e2e;

import java.lang.reflect.Method;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import org.apache.seata.core.exception.TransactionException;
import org.apache.seata.core.model.BranchType;
import org.apache.seata.rm.DefaultResourceManager;
import org.apache.seata.rm.tcc.TCCResource;
import org.apache.seata.rm.tcc.api.BusinessActionContext;

/** A TCC action as Seata's annotation scanner would register it, without Spring. Each call in phase two is an event. */
public final class Action {
    private final String name;
    private final Map<String, BlockingQueue<String>> next =
            Map.of("commit", new LinkedBlockingQueue<>(), "rollback", new LinkedBlockingQueue<>());
    private final Semaphore released = new Semaphore(0);

    private Action(String name) {
        this.name = name;
    }

    static Action register(String name) throws ReflectiveOperationException {
        Action action = new Action(name);
        Class<?>[] context = {BusinessActionContext.class};
        TCCResource resource = new TCCResource();
        resource.setActionName(name);
        resource.setTargetBean(action);
        resource.setPrepareMethod(Action.class.getMethod("prepare", context));
        resource.setCommitMethodName("commit");
        resource.setCommitMethod(Action.class.getMethod("commit", context));
        resource.setRollbackMethodName("rollback");
        resource.setRollbackMethod(Action.class.getMethod("rollback", context));
        // Since 1.5 the methods may take other arguments than the context.
        for (String setter : new String[] {"setCommitArgsClasses", "setRollbackArgsClasses"}) {
            setIfThere(resource, setter, context);
        }
        for (String setter : new String[] {"setPhaseTwoCommitKeys", "setPhaseTwoRollbackKeys"}) {
            setIfThere(resource, setter, new String[] {null});
        }
        DefaultResourceManager.get().registerResource(resource);
        return action;
    }

    private static void setIfThere(TCCResource resource, String setter, Object value)
            throws ReflectiveOperationException {
        for (Method method : TCCResource.class.getMethods()) {
            if (method.getName().equals(setter)) {
                method.invoke(resource, value);
            }
        }
    }

    /** What the next calls of a phase do: succeed, false, throw, or wait until released. Later ones succeed. */
    void plan(String phase, String[] behaviours) {
        for (String behaviour : behaviours) {
            next.get(phase).add(behaviour);
        }
    }

    void release() {
        released.release();
    }

    /** Registers a branch as the aspect around an action's first phase does. */
    long attempt(String xid, String text) throws TransactionException {
        String data = "{\"actionContext\":{\"text\":" + Json.object("", text).substring(4);
        return DefaultResourceManager.get().branchRegister(BranchType.TCC, name, null, xid, data + "}", null);
    }

    public boolean prepare(BusinessActionContext context) {
        return true;
    }

    public boolean commit(BusinessActionContext context) {
        return called("commit", context);
    }

    public boolean rollback(BusinessActionContext context) {
        return called("rollback", context);
    }

    private boolean called(String phase, BusinessActionContext context) {
        String behaviour = next.get(phase).poll();
        Json.print(Json.object("event", phase, "action", name, "xid", context.getXid(), "branch",
                context.getBranchId(), "text", context.getActionContext("text"), "does",
                behaviour == null ? "succeed" : behaviour));
        switch (behaviour == null ? "succeed" : behaviour) {
            case "false":
                return false;
            case "throw":
                throw new IllegalStateException("told to throw");
            case "wait":
                released.acquireUninterruptibly();
                return true;
            default:
                return true;
        }
    }
}
