//! What a listener serves, described to tools that ask: `grpc.reflection`, of both its versions.

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic_reflection::server::Builder;
use tower::Service;

use crate::net::Body;

/// The services of a listener, as `FileDescriptorSet`s.
pub(crate) type Descriptions = &'static [&'static [u8]];

const V1: &str = "grpc.reflection.v1.ServerReflection";
const V1_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// Answers `request` if it asks what is served. The index is made anew for it: who asks is a person with a tool, and the memory is
/// not worth keeping.
pub(crate) async fn answer(
    descriptions: Descriptions,
    request: Request<Incoming>,
) -> Result<Response<Body>, Request<Incoming>> {
    let service = request.uri().path().split('/').nth(1).unwrap_or_default();
    let is_alpha = service == V1_ALPHA;
    if service != V1 && !is_alpha {
        return Err(request);
    }
    let builder = descriptions
        .iter()
        .fold(Builder::configure(), |builder, set| builder.register_encoded_file_descriptor_set(set));
    let response = if is_alpha {
        match builder.build_v1alpha() {
            Ok(service) => stream(service, request).await,
            Err(error) => Status::internal(error.to_string()).into_http(),
        }
    } else {
        match builder.build_v1() {
            Ok(service) => stream(service, request).await,
            Err(error) => Status::internal(error.to_string()).into_http(),
        }
    };
    Ok(response)
}

/// Both sides take turns, so that the request cannot be read whole first. tonic limits each of its messages.
async fn stream<S>(mut service: S, request: Request<Incoming>) -> Response<Body>
where
    S: Service<Request<Incoming>, Response = Response<tonic::body::Body>, Error = std::convert::Infallible>,
{
    let Ok(response) = service.call(request).await;
    response.map(Body::stream)
}
