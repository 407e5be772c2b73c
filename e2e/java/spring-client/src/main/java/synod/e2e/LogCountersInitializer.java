package synod.e2e;

import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;

/** Attaches the counters after Spring set logging up and before the first fetch. */
final class LogCountersInitializer implements ApplicationContextInitializer<ConfigurableApplicationContext> {
    @Override
    public void initialize(ConfigurableApplicationContext context) {
        LogCounters.install();
    }
}
