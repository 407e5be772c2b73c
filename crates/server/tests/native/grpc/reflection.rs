//! A tool asks both listeners what they serve, over a stream that it keeps open.

use tokio::sync::mpsc;
use tonic_reflection::pb::{v1, v1alpha};

use super::{Client, start};
use crate::node::TestNode;

/// The files' contents that come for a symbol, after the services.
async fn ask(client: &Client, symbol: &str) -> (Vec<String>, Vec<Vec<u8>>) {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let request =
        |request| v1::ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let (sender, receiver) = mpsc::channel(1);
    let service = "grpc.reflection.v1.ServerReflection";
    sender.send(request(MessageRequest::ListServices(String::new()))).await.unwrap();
    let mut answers = client
        .converse::<_, v1::ServerReflectionResponse>(service, "ServerReflectionInfo", receiver)
        .await
        .unwrap();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    sender.send(request(MessageRequest::FileContainingSymbol(symbol.to_owned()))).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer else { panic!("{answer:?}") };
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
    (list.service.into_iter().map(|service| service.name).collect(), files.file_descriptor_proto)
}

fn holds(files: &[Vec<u8>], word: &str) -> bool {
    files.iter().any(|file| file.windows(word.len()).any(|part| part == word.as_bytes()))
}

#[tokio::test]
async fn both_listeners_describe_themselves() {
    let (node, client, _participant) = start().await;
    let (services, files) = ask(&client, "synod.v1.Transactions").await;
    for expected in ["synod.v1.Transactions", "synod.v1.Topics", "grpc.health.v1.Health"] {
        assert!(services.iter().any(|service| service == expected), "{services:?}");
    }
    assert!(holds(&files, "EnlistRequest"));
    node.running.stop().await;

    let node = TestNode::start(&["face.dtm.grpc.listen=127.0.0.1:0"]).await;
    let client = Client::new(node.running.addresses["dtm_grpc"]);
    let (services, files) = ask(&client, "dtmgimp.Dtm").await;
    assert!(services.iter().any(|service| service == "dtmgimp.Dtm"), "{services:?}");
    assert!(holds(&files, "DtmBranchRequest"));
    node.running.stop().await;
}

#[tokio::test]
async fn older_tools_are_answered_too() {
    use v1alpha::server_reflection_request::MessageRequest;
    let (node, client, _participant) = start().await;
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol("no.such.Thing".into())),
    };
    let service = "grpc.reflection.v1alpha.ServerReflection";
    let mut answers = client
        .stream::<_, v1alpha::ServerReflectionResponse>(service, "ServerReflectionInfo", request)
        .await
        .unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound, "{status:?}");
    node.running.stop().await;
}
