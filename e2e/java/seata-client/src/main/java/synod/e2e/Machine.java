package synod.e2e;

import com.alibaba.druid.pool.DruidDataSource;
import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.saga.engine.StateMachineEngine;
import org.apache.seata.saga.engine.config.DbStateMachineConfig;
import org.apache.seata.saga.engine.impl.ProcessCtrlStateMachineEngine;
import org.apache.seata.saga.engine.repo.StateMachineRepository;
import org.apache.seata.saga.rm.StateMachineEngineHolder;
import org.apache.seata.saga.statelang.domain.StateMachine;
import org.apache.seata.saga.statelang.domain.StateMachineInstance;
import org.apache.seata.saga.statelang.parser.StateMachineParserFactory;
import org.springframework.context.support.GenericApplicationContext;

/**
 * Seata's engine of state machines over a database, and the service whose methods its machines call. Each call is an event.
 *
 * <p>Two machines of two steps, take and pay, with giveBack and refund to compensate them. "careful" compensates when a step
 * throws; "stubborn" catches nothing, so that the server has to have it carried on.
 */
public final class Machine {
    private final Map<String, BlockingQueue<String>> next = new ConcurrentHashMap<>();
    private final StateMachineEngine engine;

    /** Needs Seata's three tables in the database. */
    Machine(String application, String group, String url, String user) throws Exception {
        DruidDataSource pool = new DruidDataSource();
        pool.setUrl(url);
        pool.setUsername(user);
        pool.setPassword("");
        pool.setMaxActive(8);
        GenericApplicationContext beans = new GenericApplicationContext();
        beans.getBeanFactory().registerSingleton("shop", this);
        beans.refresh();
        DbStateMachineConfig config = new DbStateMachineConfig();
        config.setDataSource(pool);
        config.setApplicationId(application);
        config.setTxServiceGroup(group);
        config.setApplicationContext(beans);
        config.afterPropertiesSet();
        register(config, "careful", "\"Catch\":[{\"Exceptions\":[\"java.lang.Throwable\"],"
                + "\"Next\":\"Compensate\"}],");
        register(config, "stubborn", "");
        ProcessCtrlStateMachineEngine processes = new ProcessCtrlStateMachineEngine();
        processes.setStateMachineConfig(config);
        engine = processes;
        // A method of the class in some releases and of an object in others.
        new StateMachineEngineHolder().setStateMachineEngine(engine);
    }

    private static void register(DbStateMachineConfig config, String name, String onTrouble) throws Exception {
        String text = "{\"Name\":\"" + name + "\",\"Version\":\"1\",\"StartState\":\"Take\",\"States\":{"
                + step("Take", "take", "\"CompensateState\":\"GiveBack\"," + onTrouble + "\"Next\":\"Pay\"")
                + step("Pay", "pay", "\"CompensateState\":\"Refund\"," + onTrouble + "\"Next\":\"Done\"")
                + step("GiveBack", "giveBack", "\"IsForUpdate\":true")
                + step("Refund", "refund", "\"IsForUpdate\":true")
                + "\"Compensate\":{\"Type\":\"CompensationTrigger\",\"Next\":\"Failed\"},"
                + "\"Failed\":{\"Type\":\"Fail\",\"ErrorCode\":\"REFUSED\",\"Message\":\"a step threw\"},"
                + "\"Done\":{\"Type\":\"Succeed\"}}}";
        StateMachine machine = StateMachineParserFactory.getStateMachineParser("fastjson").parse(text);
        machine.setTenantId(config.getDefaultTenantId());
        // "registry…" in some releases, "register…" in others.
        for (Method method : StateMachineRepository.class.getMethods()) {
            Class<?>[] types = method.getParameterTypes();
            if (types.length == 1 && types[0] == StateMachine.class) {
                method.invoke(config.getStateMachineRepository(), machine);
            }
        }
    }

    private static String step(String state, String method, String rest) {
        return "\"" + state + "\":{\"Type\":\"ServiceTask\",\"ServiceName\":\"shop\",\"ServiceMethod\":\"" + method
                + "\",\"Input\":[\"$.[text]\"]," + rest + "},";
    }

    /** What the next calls of a method do: succeed or throw. Later ones succeed. */
    void plan(String method, String[] behaviours) {
        for (String behaviour : behaviours) {
            next.computeIfAbsent(method, name -> new LinkedBlockingQueue<>()).add(behaviour);
        }
    }

    /** Runs a machine as far as it goes by itself: its xid, and how it and its compensation stand. */
    Object[] start(String name, String text) {
        Map<String, Object> parameters = new HashMap<>();
        parameters.put("text", text);
        StateMachineInstance instance = engine.start(name, null, parameters);
        return new Object[] {"xid", instance.getId(), "status", instance.getStatus(), "compensation",
                instance.getCompensationStatus()};
    }

    public boolean take(String text) {
        return called("take", text);
    }

    public boolean giveBack(String text) {
        return called("giveBack", text);
    }

    public boolean pay(String text) {
        return called("pay", text);
    }

    public boolean refund(String text) {
        return called("refund", text);
    }

    private boolean called(String method, String text) {
        BlockingQueue<String> planned = next.get(method);
        String behaviour = planned == null ? null : planned.poll();
        Json.print(Json.object("event", method, "xid", RootContext.getXID(), "text", text, "does",
                behaviour == null ? "succeed" : behaviour));
        if ("throw".equals(behaviour)) {
            throw new IllegalStateException("told to throw");
        }
        return true;
    }
}
