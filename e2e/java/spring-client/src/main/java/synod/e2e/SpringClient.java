package synod.e2e;

import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.discovery.EurekaClient;
import java.io.IOException;
import java.io.PrintStream;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.serviceregistry.EurekaRegistration;
import org.springframework.cloud.netflix.eureka.serviceregistry.EurekaServiceRegistry;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * An ordinary Spring Cloud application that talks to its test over standard input and output.
 *
 * <p>Settings are Spring's own: --spring.application.name, --eureka.instance.instance-id,
 * --eureka.client.service-url.defaultZone.
 */
@SpringBootApplication
public class SpringClient {
    public static void main(String[] args) throws IOException {
        PrintStream out = System.out;
        System.setOut(System.err);
        LogCountersInitializer counters = new LogCountersInitializer();
        SpringApplication application = new SpringApplication(SpringClient.class);
        application.addInitializers(counters);
        ConfigurableApplicationContext context = application.run(args);
        EurekaRegistration registration = context.getBean(EurekaRegistration.class);
        EurekaServiceRegistry registry = context.getBean(EurekaServiceRegistry.class);
        String url = context.getEnvironment().getRequiredProperty("eureka.client.service-url.defaultZone");
        new Shell(context.getBean(EurekaClient.class), context.getBean(ApplicationInfoManager.class), url,
                new Shell.Overrides() {
                    @Override
                    public void set(String status) {
                        registry.setStatus(registration, status);
                    }

                    @Override
                    public void clear() {
                        registry.setStatus(registration, "CANCEL_OVERRIDE");
                    }
                }, context::close, out).run();
        System.exit(0);
    }
}
