use std::net::{Ipv4Addr, SocketAddr};

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A name server that knows `alias` -> `middle` -> `db1.example` -> 10.0.0.1 and nothing else.
async fn serve() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let answer = answer(query).to_vec().unwrap();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

fn answer(query: Message) -> Message {
    let asked = query.queries[0].clone();
    let mut answer = query.into_response();
    let alias =
        |from: &str, to: &str| Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to))));
    let is_known = [name("alias.example."), name("db1.example.")].contains(asked.name());
    if !is_known {
        answer.metadata.response_code = ResponseCode::NXDomain;
        return answer;
    }
    if *asked.name() == name("alias.example.") {
        answer.add_answer(alias("alias.example.", "middle.example."));
        answer.add_answer(alias("middle.example.", "db1.example."));
    }
    if asked.query_type() == RecordType::A {
        let address = RData::A(A(Ipv4Addr::new(10, 0, 0, 1)));
        answer.add_answer(Record::from_rdata(name("db1.example."), 60, address));
    }
    answer
}

async fn lookup() -> DnsLookup {
    let server = serve().await;
    let mut config = NameServerConfig::udp(server.ip());
    config.connections[0].port = server.port();
    let config = ResolverConfig::from_name_servers(vec![config]);
    let resolver =
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    DnsLookup {
        resolver: OnceCell::new_with(Some(resolver.unwrap())),
    }
}

#[tokio::test]
async fn a_chain_of_aliases_is_followed_to_its_end() {
    let lookup = lookup().await;
    for host in ["alias.example", "db1.example"] {
        assert_eq!(lookup.canonical_name(host).await.unwrap(), "db1.example");
    }
    assert!(lookup.canonical_name("unknown.example").await.is_err());
}

#[tokio::test]
async fn addresses_come_from_the_system() {
    let found = DnsLookup::default().addresses("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback));
}
