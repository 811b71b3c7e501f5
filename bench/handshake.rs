//! What a handshake costs: mutual TLS 1.3 with P-256 certificates, both ends, in memory. `plain` is rustls' own buffered
//! connections with its own verifiers; `rustls_dist` is this crate's handshake with the same certificates, verified by
//! webpki and OTP's rules on top.

#[path = "../test/support/mod.rs"]
mod support;

use std::sync::Arc;

use criterion::{Criterion, criterion_main};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, Connection, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection,
};
use rustls_dist::config::{ClientSide, ServerSide};
use support::buffered::{incoming, outgoing};
use support::link::{shake_sides, whole};
use support::pki::{CA, EC, HOST, NOW_UNIX_S, Spec, clock};

/// Both ends of a plain rustls program.
struct Plain {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Plain {
    fn new() -> Self {
        let provider = Arc::new(rustls_dist::provider::default_provider());
        let time: Arc<dyn TimeProvider> = clock(NOW_UNIX_S);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CA.pem().as_bytes()).unwrap()).unwrap();
        let roots = Arc::new(roots);
        let chain = || vec![CertificateDer::from_pem_slice(EC.chain.as_bytes()).unwrap()];
        let key = || PrivateKeyDer::from_pem_slice(EC.key.as_bytes()).unwrap();
        let judge =
            WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
        let client = ClientConfig::builder_with_details(provider.clone(), time.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_webpki_verifier(judge)
            .with_client_auth_cert(chain(), key())
            .unwrap();
        let judge = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build().unwrap();
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(judge)
            .with_single_cert(chain(), key())
            .unwrap();
        server.send_tls13_tickets = 0;
        Self { client: Arc::new(client), server: Arc::new(server) }
    }

    fn handshake(&self) {
        let name = ServerName::try_from(HOST).unwrap();
        let mut client = Connection::Client(ClientConnection::new(self.client.clone(), name).unwrap());
        let mut server = Connection::Server(ServerConnection::new(self.server.clone()).unwrap());
        while client.is_handshaking() || server.is_handshaking() {
            incoming(&mut server, &outgoing(&mut client));
            incoming(&mut client, &outgoing(&mut server));
        }
    }
}

/// Both ends of this crate.
fn own() -> (ClientSide, ServerSide) {
    let spec = Spec::version(ProtocolVersion::TLSv1_3);
    (spec.client().unwrap(), spec.server().unwrap())
}

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mutual TLS 1.3 handshake, P-256, both ends");
    group.sample_size(50);
    let plain = Plain::new();
    group.bench_function("plain", |bencher| bencher.iter(|| plain.handshake()));
    let (client, server) = own();
    group.bench_function("rustls_dist", |bencher| {
        bencher.iter(|| {
            let shaken = shake_sides(&client, &server, whole);
            (shaken.client.session(), shaken.server.session())
        });
    });
    group.finish();
}

// The macro makes a public function without a comment.
#[allow(missing_docs, reason = "made by the macro")]
mod benches {
    use super::handshakes;

    criterion::criterion_group!(all, handshakes);
}
criterion_main!(benches::all);
