package synod.e2e;

import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.appinfo.InstanceInfo;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import com.netflix.appinfo.MyDataCenterInstanceConfig;
import com.netflix.appinfo.providers.EurekaConfigBasedInstanceInfoProvider;
import com.netflix.discovery.DefaultEurekaClientConfig;
import com.netflix.discovery.DiscoveryClient;
import com.netflix.discovery.shared.resolver.DefaultEndpoint;
import com.netflix.discovery.shared.transport.EurekaHttpClient;
import com.netflix.discovery.shared.transport.jersey.Jersey1TransportClientFactories;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Collections;
import java.util.Optional;

/** Plain eureka-client 1.10.18: arguments are URL APP ID. */
public final class NetflixClient {
    private NetflixClient() {}

    public static void main(String[] args) throws IOException {
        PrintStream out = System.out;
        System.setOut(System.err);
        configure(args[0], args[1], args[2]);
        LogCounters.install();
        MyDataCenterInstanceConfig instanceConfig = new MyDataCenterInstanceConfig();
        InstanceInfo info = new EurekaConfigBasedInstanceInfoProvider(instanceConfig).get();
        ApplicationInfoManager self = new ApplicationInfoManager(instanceConfig, info);
        DefaultEurekaClientConfig config = new DefaultEurekaClientConfig();
        DiscoveryClient client = new DiscoveryClient(self, config);
        self.setInstanceStatus(InstanceStatus.UP);
        EurekaHttpClient http = new Jersey1TransportClientFactories()
                .newTransportClientFactory(config, Collections.emptyList(), info, Optional.empty(), Optional.empty())
                .newClient(new DefaultEndpoint(args[0]));
        new Shell(client, self, args[0], new Overrides(http, info), client::shutdown, out).run();
        System.exit(0);
    }

    private record Overrides(EurekaHttpClient http, InstanceInfo info) implements Shell.Overrides {
        @Override
        public void set(String status) {
            expectOk(http.statusUpdate(info.getAppName(), info.getId(), InstanceStatus.valueOf(status), info)
                    .getStatusCode());
        }

        @Override
        public void clear() {
            expectOk(http.deleteStatusOverride(info.getAppName(), info.getId(), info).getStatusCode());
        }

        private static void expectOk(int status) {
            if (status != 200) {
                throw new IllegalStateException("answered " + status);
            }
        }
    }

    private static void configure(String url, String app, String id) {
        System.setProperty("eureka.serviceUrl.default", url);
        System.setProperty("eureka.shouldUseDns", "false");
        System.setProperty("eureka.preferSameZone", "false");
        System.setProperty("eureka.region", "default");
        System.setProperty("eureka.name", app);
        System.setProperty("eureka.instanceId", id);
        System.setProperty("eureka.vipAddress", app.toLowerCase());
        System.setProperty("eureka.port", "9800");
        System.setProperty("eureka.lease.renewalInterval", "1");
        System.setProperty("eureka.lease.duration", "10");
        System.setProperty("eureka.client.refresh.interval", "1");
        System.setProperty("eureka.appinfo.replicate.interval", "1");
        System.setProperty("eureka.appinfo.initial.replicate.time", "1");
        System.setProperty("eureka.shouldFilterOnlyUpInstances", "false");
    }
}
