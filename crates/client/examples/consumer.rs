//! Prints the instances of a service whenever they change: `consumer SERVERS SERVICE [FILE]`, servers separated by commas.

use std::error::Error;

use synod_client::registry::{Config, Consumer, Servers};

#[tokio::main]
#[allow(clippy::print_stdout, reason = "this is how an example tells")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [servers, service, file @ ..] = &*arguments else {
        return Err("usage: consumer SERVERS SERVICE [FILE]".into());
    };
    let mut config = Config::new(Servers::new(servers.split(',')));
    config.services = vec![service.clone()];
    config.file = file.first().map(Into::into);
    let consumer = Consumer::start(config)?;

    let mut changes = consumer.changes();
    loop {
        let generation = *changes.borrow_and_update();
        println!("generation {generation}, {:?}", consumer.source());
        for instance in consumer.instances(service).iter() {
            println!("  {} {}:{}", instance.id, instance.host, instance.port.unwrap_or_default());
        }
        changes.changed().await?;
    }
}
