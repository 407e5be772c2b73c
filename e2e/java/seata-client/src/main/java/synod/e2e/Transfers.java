package synod.e2e;

import com.alibaba.druid.pool.DruidDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import javax.sql.DataSource;
import org.apache.seata.rm.RMClient;
import org.apache.seata.rm.datasource.DataSourceProxy;
import org.apache.seata.rm.datasource.exec.LockConflictException;
import org.apache.seata.rm.datasource.exec.LockWaitTimeoutException;
import org.apache.seata.rm.datasource.xa.DataSourceProxyXA;
import org.apache.seata.tm.TMClient;
import org.apache.seata.tm.api.TransactionalExecutor;
import org.apache.seata.tm.api.TransactionalTemplate;
import org.apache.seata.tm.api.transaction.TransactionInfo;

/**
 * Transfers between two databases by Seata's own client, for the bench. Arguments: the way (plain: two local transactions; at or xa: one
 * global transaction), then URL and user of the database where money comes from, and of that where it goes to.
 *
 * <p>It says true when it can begin; then each line of input has one line of JSON as answer. "begin CLIENTS ACCOUNTS" starts threads, each
 * of which makes one transfer after the other; "measure MS" lets them go on; "stop" has them end what they are at. Counts are since
 * the last begin.
 */
public final class Transfers {
    private static final String APPLICATION = "synod-bench";
    private static final String GROUP = "synod";
    private static final int TIMEOUT_MS = 30_000;
    private static final int CONNECTIONS = 40;
    private static final int AMOUNT_MAX = 100;
    private static final String ADD = "update account set balance = balance + ? where id = ?";

    private final boolean isPlain;
    private final DataSource from;
    private final DataSource to;
    private final List<Client> clients = new ArrayList<>();
    private volatile boolean isOver;
    private volatile Throwable failure;

    private Transfers(String[] arguments) {
        isPlain = arguments[0].equals("plain");
        if (!isPlain) {
            TMClient.init(APPLICATION, GROUP);
            RMClient.init(APPLICATION, GROUP);
        }
        from = open(arguments[0], arguments[1], arguments[2]);
        to = open(arguments[0], arguments[3], arguments[4]);
    }

    private static DataSource open(String way, String url, String user) {
        DruidDataSource pool = new DruidDataSource();
        pool.setUrl(url);
        pool.setUsername(user);
        pool.setPassword("");
        pool.setMaxActive(CONNECTIONS);
        switch (way) {
            case "at":
                return new DataSourceProxy(pool);
            case "xa":
                DataSourceProxyXA proxy = new DataSourceProxyXA(pool);
                if (url.startsWith("jdbc:mysql:")) {
                    holdConnections(proxy);
                }
                return proxy;
            default:
                return pool;
        }
    }

    /**
     * MariaDB lets no other connection end what one has prepared. Seata knows, but takes it for a new MySQL, which does, where MySQL's
     * driver is used; and then gives connections that are bound to a branch to the next one. Old versions have no such setting.
     */
    private static void holdConnections(DataSourceProxyXA proxy) {
        for (Method method : DataSourceProxyXA.class.getMethods()) {
            if (method.getName().equals("setShouldBeHeld")) {
                try {
                    method.invoke(proxy, true);
                } catch (ReflectiveOperationException e) {
                    throw new IllegalStateException(e);
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err);
        Transfers transfers = new Transfers(arguments);
        out.println(true);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer = transfers.obey(line.split(" "));
            out.println(transfers.failure == null ? answer : "failed: " + chain(transfers.failure));
        }
        System.exit(0);
    }

    private static String chain(Throwable failure) {
        return failure + (failure.getCause() == null ? "" : " <- " + chain(failure.getCause()));
    }

    private String obey(String[] words) throws InterruptedException {
        switch (words[0]) {
            case "begin":
                return begin(Integer.parseInt(words[1]), Integer.parseInt(words[2]));
            case "measure":
                return measure(Long.parseLong(words[1]));
            default:
                return stop();
        }
    }

    private String begin(int count, int accounts) {
        isOver = false;
        clients.clear();
        for (int i = 0; i < count; i++) {
            clients.add(new Client(accounts));
        }
        clients.forEach(Thread::start);
        return "true";
    }

    private String measure(long milliseconds) throws InterruptedException {
        clients.forEach(Client::takeLatencies);
        String before = counts();
        long begin = System.nanoTime();
        Thread.sleep(milliseconds);
        double seconds = (System.nanoTime() - begin) / 1e9;
        String after = counts();
        // Seata's client is answered when the branches have ended, or when nobody waits for it.
        String latency = latency();
        return String.format(Locale.ROOT, "{\"before\":%s,\"after\":%s,\"seconds\":%f,\"answered\":%s,\"ended\":%s}", before,
                after, seconds, latency, latency);
    }

    private String stop() throws InterruptedException {
        isOver = true;
        for (Client client : clients) {
            client.join();
        }
        return counts();
    }

    private String counts() {
        long[] sums = new long[3];
        clients.forEach(client -> client.addTo(sums));
        return String.format("{\"finished\":%d,\"rolled_back\":%d,\"moved\":%d}", sums[0], sums[1], sums[2]);
    }

    private String latency() {
        long[] all = clients.stream().flatMapToLong(client -> Arrays.stream(client.takeLatencies())).sorted().toArray();
        return String.format(Locale.ROOT, "{\"p50_ms\":%f,\"p99_ms\":%f,\"p999_ms\":%f,\"max_ms\":%f}",
                quantile(all, 0.5), quantile(all, 0.99), quantile(all, 0.999), quantile(all, 1));
    }

    private static double quantile(long[] sorted, double quantile) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.ceil(quantile * sorted.length) - 1] / 1e6;
    }

    /** In a local transaction of its own. */
    private static void plain(DataSource bank, long amount, int account) throws SQLException {
        try (Connection connection = bank.getConnection()) {
            connection.setAutoCommit(false);
            try {
                add(connection, amount, account);
                connection.commit();
            } catch (SQLException e) {
                connection.rollback();
                throw e;
            } finally {
                connection.setAutoCommit(true);
            }
        }
    }

    /** A statement that is a branch of its own. */
    private static void branch(DataSource bank, long amount, int account) throws SQLException {
        try (Connection connection = bank.getConnection()) {
            add(connection, amount, account);
        }
    }

    private static void add(Connection connection, long amount, int account) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(ADD)) {
            statement.setLong(1, amount);
            statement.setInt(2, account);
            if (statement.executeUpdate() != 1) {
                throw new SQLException("there is no account " + account);
            }
        }
    }

    private static boolean isAboutLocks(Throwable cause) {
        for (Throwable at = cause; at != null; at = at.getCause()) {
            if (at instanceof LockWaitTimeoutException || at instanceof LockConflictException) {
                return true;
            }
        }
        return false;
    }

    /** One transfer after the other. */
    private final class Client extends Thread {
        private final TransactionalTemplate template = new TransactionalTemplate();
        private final int accounts;
        private long[] latencies = new long[1 << 12];
        private int count;
        private long finished;
        private long rolledBack;
        private long moved;

        Client(int accounts) {
            this.accounts = accounts;
        }

        @Override
        public void run() {
            try {
                while (!isOver) {
                    ThreadLocalRandom chance = ThreadLocalRandom.current();
                    long amount = 1 + chance.nextInt(AMOUNT_MAX);
                    int debited = chance.nextInt(accounts);
                    int credited = chance.nextInt(accounts);
                    long begin = System.nanoTime();
                    boolean isMade = transfer(amount, debited, credited);
                    note(isMade, System.nanoTime() - begin, amount);
                }
            } catch (Throwable thrown) {
                failure = thrown;
            }
        }

        private synchronized void note(boolean isMade, long latency, long amount) {
            if (!isMade) {
                rolledBack++;
                return;
            }
            finished++;
            moved += amount;
            if (count == latencies.length) {
                latencies = Arrays.copyOf(latencies, 2 * count);
            }
            latencies[count++] = latency;
        }

        private synchronized void addTo(long[] sums) {
            sums[0] += finished;
            sums[1] += rolledBack;
            sums[2] += moved;
        }

        /** Those noted since this was asked last. */
        synchronized long[] takeLatencies() {
            long[] all = Arrays.copyOf(latencies, count);
            count = 0;
            return all;
        }

        /** Whether it is made; otherwise it was rolled back, as an account was held by somebody else for too long. */
        private boolean transfer(long amount, int debited, int credited) throws Throwable {
            if (isPlain) {
                plain(from, -amount, debited);
                plain(to, amount, credited);
                return true;
            }
            try {
                template.execute(new TransactionalExecutor() {
                    @Override
                    public Object execute() throws Throwable {
                        branch(from, -amount, debited);
                        branch(to, amount, credited);
                        return null;
                    }

                    @Override
                    public TransactionInfo getTransactionInfo() {
                        TransactionInfo info = new TransactionInfo();
                        info.setTimeOut(TIMEOUT_MS);
                        info.setName("transfer");
                        return info;
                    }
                });
                return true;
            } catch (TransactionalExecutor.ExecutionException outcome) {
                boolean isUndone = outcome.getCode() == TransactionalExecutor.Code.RollbackDone;
                if (isUndone && isAboutLocks(outcome.getOriginalException())) {
                    return false;
                }
                Throwable original = outcome.getOriginalException();
                throw original == null ? outcome : original;
            }
        }
    }
}
