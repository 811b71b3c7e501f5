//! What a handshake costs: mutual TLS, both ends, in memory, by version, by the kind of both ends' keys, and by the group of the
//! key exchange (keys on P-256 then; the others have the default, with TLS 1.3 X25519MLKEM768);
//! the authority that signed the certificates has a P-256 key throughout. `plain` is rustls' own buffered
//! connections with its own verifiers; `rustls_dist` is this crate's handshake with the same certificates,
//! verified by webpki and OTP's rules on top.

#[path = "../test/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_main};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, Connection, NamedGroup, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use rustls_dist::config::{ClientSide, ServerSide};
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::default_provider;
use support::buffered::{incoming, outgoing};
use support::link::{shake_sides, whole};
use support::pki::{CA, EC, HOST, NOW_UNIX_S, Pair, RSA, Spec, clock, issue};

const VERSIONS: [(&str, &SupportedProtocolVersion); 2] =
    [("1.3", &rustls::version::TLS13), ("1.2", &rustls::version::TLS12)];

/// Both ends of a plain rustls program.
struct Plain {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Plain {
    fn new(version: &'static SupportedProtocolVersion, pair: &Pair) -> Self {
        let provider = Arc::new(default_provider());
        let time: Arc<dyn TimeProvider> = clock(NOW_UNIX_S);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CA.pem().as_bytes()).unwrap()).unwrap();
        let roots = Arc::new(roots);
        let chain = || vec![CertificateDer::from_pem_slice(pair.chain.as_bytes()).unwrap()];
        let key = || PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let judge =
            WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
        let mut client = ClientConfig::builder_with_details(provider.clone(), time.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_webpki_verifier(judge)
            .with_client_auth_cert(chain(), key())
            .unwrap();
        // Else all TLS 1.2 handshakes but the first were resumptions, without a certificate.
        client.resumption = Resumption::disabled();
        let judge = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build().unwrap();
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[version])
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
fn own(version: &SupportedProtocolVersion, pair: &Pair) -> (ClientSide, ServerSide) {
    let spec = Spec { identities: vec![pair.clone()], ..Spec::version(version.version) };
    (spec.client().unwrap(), spec.server().unwrap())
}

fn pairs() -> [(&'static str, Pair); 4] {
    let of = |algorithm: &'static SignatureAlgorithm| {
        issue(&CA, KeyPair::generate_for(algorithm).unwrap(), |_| {})
    };
    [
        ("P-256", EC.clone()),
        ("P-384", of(&PKCS_ECDSA_P384_SHA384)),
        ("Ed25519", of(&PKCS_ED25519)),
        ("RSA 2048", RSA.clone()),
    ]
}

fn handshakes(criterion: &mut Criterion) {
    let pairs = pairs();
    for (version_name, version) in VERSIONS {
        let mut group = criterion.benchmark_group(format!("mutual TLS {version_name} handshake, both ends"));
        group.sample_size(50).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
        for (key, pair) in &pairs {
            let plain = Plain::new(version, pair);
            group.bench_function(format!("{key}, plain"), |bencher| bencher.iter(|| plain.handshake()));
            let (client, server) = own(version, pair);
            group.bench_function(format!("{key}, rustls_dist"), |bencher| {
                bencher.iter(|| {
                    let shaken = shake_sides(&client, &server, whole);
                    (shaken.client.session(), shaken.server.session())
                });
            });
        }
        group.finish();
    }
}

/// With ML-KEM and without, and where the client offers it to a server that does not know it: it made the key in vain.
fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mutual TLS 1.3 handshake by group, both ends");
    group.sample_size(50).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let all = default_provider().kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>();
    let classical = [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
    let side = |in_order: &[NamedGroup]| Spec {
        groups: Groups { in_order: Some(in_order.to_vec()), for_tls12: None },
        ..Spec::version(rustls::ProtocolVersion::TLSv1_3)
    };
    let rows = [
        ("X25519MLKEM768", side(&all), side(&all)),
        ("X25519", side(&classical), side(&classical)),
        ("X25519, X25519MLKEM768 offered", side(&all), side(&classical)),
        ("P-256", side(&classical[1..]), side(&classical[1..])),
    ];
    for (name, client, server) in rows {
        let (client, server) = (client.client().unwrap(), server.server().unwrap());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let shaken = shake_sides(&client, &server, whole);
                (shaken.client.session(), shaken.server.session())
            });
        });
    }
    group.finish();
}

// The macro makes a public function without a comment.
#[allow(missing_docs, reason = "made by the macro")]
mod benches {
    use super::{groups, handshakes};

    criterion::criterion_group!(all, handshakes, groups);
}
criterion_main!(benches::all);
