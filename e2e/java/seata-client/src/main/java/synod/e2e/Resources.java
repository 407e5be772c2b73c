package synod.e2e;

import com.alibaba.druid.pool.DruidDataSource;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.apache.seata.rm.datasource.DataSourceProxy;
import org.apache.seata.rm.datasource.xa.DataSourceProxyXA;

/** What this process is the resource manager of. */
final class Resources {
    private final Map<String, DataSource> databases = new ConcurrentHashMap<>();
    private final Map<String, Action> actions = new ConcurrentHashMap<>();
    private final String application;
    private final String group;
    private volatile Machine machines;

    Resources(String application, String group) {
        this.application = application;
        this.group = group;
    }

    /** A database in mode "at" or "xa"; Seata registers it. */
    void open(String name, String mode, String url, String user) {
        DruidDataSource pool = new DruidDataSource();
        pool.setUrl(url);
        pool.setUsername(user);
        pool.setPassword("");
        pool.setMaxActive(8);
        databases.put(name, mode.equals("at") ? new DataSourceProxy(pool) : new DataSourceProxyXA(pool));
    }

    DataSource database(String name) {
        return known(databases.get(name), name);
    }

    void addAction(String name) throws ReflectiveOperationException {
        actions.put(name, Action.register(name));
    }

    Action action(String name) {
        return known(actions.get(name), name);
    }

    /** State machines, with their tables in a database. */
    void openMachines(String url, String user) throws Exception {
        machines = new Machine(application, group, url, user);
    }

    Machine machines() {
        return known(machines, "machines");
    }

    private static <T> T known(T found, String name) {
        if (found == null) {
            throw new IllegalArgumentException("no resource " + name);
        }
        return found;
    }
}
