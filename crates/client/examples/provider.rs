//! Announces an instance until it is told to end: `provider SERVERS SERVICE ID PORT`, servers separated by commas.

use std::error::Error;
use std::time::Duration;

use synod_client::registry::{Instance, Provider, Servers, State};

#[tokio::main]
#[allow(clippy::print_stdout, reason = "this is how an example tells")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [servers, service, id, port] = &*arguments else {
        return Err("usage: provider SERVERS SERVICE ID PORT".into());
    };
    let instance = Instance::new(service, id, "127.0.0.1", port.parse()?)
        .with_metadata("example", "provider")
        .with_lease(Duration::from_secs(10), Duration::from_secs(30));
    let provider = Provider::register(&Servers::new(servers.split(',')), instance)?;

    let mut state = provider.state();
    state.wait_for(|state| *state == State::Registered).await?;
    println!("registered");
    // A service would serve here. It leaves before it stops, so that nobody finds it gone.
    provider.leave_on_signal().await?;
    println!("left");
    Ok(())
}
