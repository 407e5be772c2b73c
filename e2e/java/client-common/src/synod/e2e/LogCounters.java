package synod.e2e;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.LoggerFactory;

/** Counts what the Eureka client itself says in its log about fetches and heartbeats. */
final class LogCounters extends AppenderBase<ILoggingEvent> {
    private static final AtomicInteger FULL = new AtomicInteger();
    private static final AtomicInteger DELTA = new AtomicInteger();
    private static final AtomicInteger MISMATCH = new AtomicInteger();
    private static final AtomicInteger HEARTBEATS = new AtomicInteger();
    private static final AtomicInteger REREGISTERED = new AtomicInteger();

    static void install() {
        Logger logger = (Logger) LoggerFactory.getLogger("com.netflix.discovery.DiscoveryClient");
        LogCounters appender = new LogCounters();
        appender.setContext(logger.getLoggerContext());
        appender.start();
        logger.addAppender(appender);
        logger.setLevel(Level.DEBUG);
    }

    static String json() {
        return "{\"full\":" + FULL + ",\"delta\":" + DELTA + ",\"mismatch\":" + MISMATCH + ",\"heartbeats\":"
                + HEARTBEATS + ",\"reregistered\":" + REREGISTERED + "}";
    }

    @Override
    protected void append(ILoggingEvent event) {
        String format = event.getMessage();
        if (format.startsWith("Getting all instance registry info")) {
            FULL.incrementAndGet();
        } else if (format.startsWith("Got delta update")) {
            DELTA.incrementAndGet();
        } else if (format.contains("econcile hashcodes do not match")) {
            MISMATCH.incrementAndGet();
        } else if (format.contains("Heartbeat status")) {
            HEARTBEATS.incrementAndGet();
        } else if (format.contains("Re-registering")) {
            REREGISTERED.incrementAndGet();
        }
    }
}
