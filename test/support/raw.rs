//! A peer that is not ours and does what it is told, rightly or wrongly: rustls makes the handshake, then the record
//! ciphers lie open.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedConnectionCommon, UnbufferedStatus};
use rustls::{
    ClientConfig, ConfigBuilder, ConnectionTrafficSecrets, ContentType, DigitallySignedStruct,
    ExtractedSecrets, ProtocolVersion, ServerConfig, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};
use rustls_dist::handshake::{Failure, Handshake, Progress};
use rustls_dist::session::Session;
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::trust::referee::LastWord;

use super::pki::{HOST, Pair, Spec};

enum Connection {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

enum Kernel {
    Client(KernelConnection<ClientConnectionData>),
    Server(KernelConnection<ServerConnectionData>),
}

/// The peer after its handshake.
pub struct Raw {
    suite: SupportedCipherSuite,
    kernel: Kernel,
    encrypter: Box<dyn MessageEncrypter>,
    decrypter: Box<dyn MessageDecrypter>,
    tx_sequence: u64,
    rx_sequence: u64,
}

impl Raw {
    /// A raw client and our server, which speak `version`.
    pub fn client(version: ProtocolVersion) -> (Self, Session) {
        let (raw, session) = Self::client_with_tail(version, |_| Vec::new());
        (raw, session.unwrap_or_else(|failure| panic!("{failure:?}")))
    }

    /// A raw server and our client, which speak `version`.
    pub fn server(version: ProtocolVersion) -> (Self, Session) {
        let (raw, session) = Self::server_with_tail(version, |_| Vec::new());
        (raw, session.unwrap_or_else(|failure| panic!("{failure:?}")))
    }

    /// As [`Raw::client`]; what `tail` returns arrives at our server together with the client's last flight.
    pub fn client_with_tail(
        version: ProtocolVersion,
        tail: impl FnOnce(&mut Self) -> Vec<u8>,
    ) -> (Self, Result<Session, Failure>) {
        let ours = Handshake::server(&Spec::version(version).unchecked().server().unwrap(), LastWord::Webpki)
            .unwrap();
        let mut config = client_config(version);
        config.enable_secret_extraction = true;
        let name = ServerName::try_from(HOST).unwrap();
        let connection = UnbufferedClientConnection::new(Arc::new(config), name).unwrap();
        link(Connection::Client(connection), ours, tail)
    }

    /// As [`Raw::server`]; what `tail` returns arrives at our client together with the server's last flight.
    pub fn server_with_tail(
        version: ProtocolVersion,
        tail: impl FnOnce(&mut Self) -> Vec<u8>,
    ) -> (Self, Result<Session, Failure>) {
        let side = Spec::version(version).unchecked().client().unwrap();
        let ours = Handshake::client(&side, ExpectedName::Any, LastWord::Webpki).unwrap();
        let mut config = server_config(version, &Spec::default().identities[0]);
        config.enable_secret_extraction = true;
        config.send_tls13_tickets = 0;
        let connection = UnbufferedServerConnection::new(Arc::new(config)).unwrap();
        link(Connection::Server(connection), ours, tail)
    }

    /// A raw client whose server is at the other end of `stream`; `config` says what it shows. Besides it is given what
    /// arrived behind the handshake.
    pub fn dial(stream: &mut TcpStream, mut config: ClientConfig) -> io::Result<(Self, Vec<u8>)> {
        config.enable_secret_extraction = true;
        let name = ServerName::try_from(HOST).unwrap();
        let mut connection =
            Connection::Client(UnbufferedClientConnection::new(Arc::new(config), name).unwrap());
        let (mut incoming, mut buffer) = (Vec::new(), [0; 16384]);
        loop {
            let mut outgoing = Vec::new();
            let lasts = connection.drive(&mut incoming, &mut outgoing).map_err(io::Error::other)?;
            stream.write_all(&outgoing)?;
            if !lasts {
                return Ok((Self::new(connection), incoming));
            }
            match stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => incoming.extend_from_slice(&buffer[..read]),
            }
        }
    }

    fn new(connection: Connection) -> Self {
        let (secrets, kernel, suite) = match connection {
            Connection::Client(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection().unwrap();
                let suite = kernel.negotiated_cipher_suite();
                (secrets, Kernel::Client(kernel), suite)
            }
            Connection::Server(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection().unwrap();
                let suite = kernel.negotiated_cipher_suite();
                (secrets, Kernel::Server(kernel), suite)
            }
        };
        let ExtractedSecrets { tx: (tx_sequence, tx), rx: (rx_sequence, rx) } = secrets;
        let (mut encrypter, decrypter) = (encrypter(suite, tx), decrypter(suite, rx));
        if tx_sequence > 0 {
            // AWS-LC wants to see a count from 0.
            let payload = OutboundChunks::Single(&[]);
            let version = ProtocolVersion::TLSv1_2;
            let nothing = OutboundPlainMessage { typ: ContentType::ApplicationData, version, payload };
            encrypter.encrypt(nothing, 0).unwrap();
        }
        Self { suite, kernel, encrypter, decrypter, tx_sequence, rx_sequence }
    }

    /// Seals one record, whatever it says.
    pub fn seal(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(payload);
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let record = self.encrypter.encrypt(message, self.tx_sequence).unwrap().encode();
        self.tx_sequence += 1;
        record
    }

    /// Seals application data.
    pub fn data(&mut self, payload: &[u8]) -> Vec<u8> {
        self.seal(ContentType::ApplicationData, payload)
    }

    /// Seals a KeyUpdate that requests one or does not, and renews the sending keys.
    pub fn key_update(&mut self, request: u8) -> Vec<u8> {
        let record = self.seal(ContentType::Handshake, &[24, 0, 0, 1, request]);
        self.renew_sending_keys();
        record
    }

    /// Renews the sending keys without saying so.
    pub fn renew_sending_keys(&mut self) {
        let (sequence, secrets) = match &mut self.kernel {
            Kernel::Client(kernel) => kernel.update_tx_secret(),
            Kernel::Server(kernel) => kernel.update_tx_secret(),
        }
        .unwrap();
        self.tx_sequence = sequence;
        self.encrypter = encrypter(self.suite, secrets);
    }

    /// Opens records, follows key updates, and returns type and content of each record.
    pub fn open(&mut self, mut input: &[u8]) -> Vec<(ContentType, Vec<u8>)> {
        let mut records = Vec::new();
        while let [typ, _, _, hi, lo, rest @ ..] = input {
            let (payload, rest) = rest.split_at(usize::from(u16::from_be_bytes([*hi, *lo])));
            let mut payload = payload.to_vec();
            let message =
                InboundOpaqueMessage::new(ContentType::from(*typ), ProtocolVersion::TLSv1_2, &mut payload);
            let plain = self.decrypter.decrypt(message, self.rx_sequence).unwrap();
            let (typ, content) = (plain.typ, plain.payload.to_vec());
            self.rx_sequence += 1;
            if typ == ContentType::Handshake && content.first() == Some(&24) {
                self.renew_receiving_keys();
            }
            records.push((typ, content));
            input = rest;
        }
        assert!(input.is_empty(), "half a record");
        records
    }

    fn renew_receiving_keys(&mut self) {
        let (sequence, secrets) = match &mut self.kernel {
            Kernel::Client(kernel) => kernel.update_rx_secret(),
            Kernel::Server(kernel) => kernel.update_rx_secret(),
        }
        .unwrap();
        self.rx_sequence = sequence;
        self.decrypter = decrypter(self.suite, secrets);
    }
}

fn link(
    connection: Connection,
    ours: Handshake,
    tail: impl FnOnce(&mut Raw) -> Vec<u8>,
) -> (Raw, Result<Session, Failure>) {
    let mut connection = Some(connection);
    let mut tail = Some(tail);
    let mut raw = None;
    let mut incoming = Vec::new();
    let mut to_ours = Vec::new();
    let mut ours = Box::new(ours);
    loop {
        let step = match ours.advance(&to_ours) {
            Ok(step) => step,
            Err(failure) => return (raw.expect("our end fails early"), Err(failure)),
        };
        incoming.extend(step.send);
        to_ours.clear();
        if let Some(mut handshake) = connection.take() {
            match handshake.drive(&mut incoming, &mut to_ours).unwrap() {
                true => connection = Some(handshake),
                false => {
                    let mut done = Raw::new(handshake);
                    to_ours.extend(tail.take().unwrap()(&mut done));
                    raw = Some(done);
                }
            }
        }
        ours = match step.progress {
            Progress::Done(session) => return (raw.expect("our end is early"), Ok(*session)),
            Progress::Continue(ours) => ours,
        };
    }
}

impl Connection {
    /// Goes as far as `incoming` reaches; the answer is whether the handshake lasts.
    fn drive(&mut self, incoming: &mut Vec<u8>, outgoing: &mut Vec<u8>) -> Result<bool, rustls::Error> {
        match self {
            Self::Client(connection) => {
                drive(
                    connection,
                    UnbufferedConnectionCommon::<ClientConnectionData>::process_tls_records,
                    incoming,
                    outgoing,
                )?;
                Ok(connection.is_handshaking())
            }
            Self::Server(connection) => {
                drive(
                    connection,
                    UnbufferedConnectionCommon::<ServerConnectionData>::process_tls_records,
                    incoming,
                    outgoing,
                )?;
                Ok(connection.is_handshaking())
            }
        }
    }
}

type Process<D> =
    for<'c, 'i> fn(&'c mut UnbufferedConnectionCommon<D>, &'i mut [u8]) -> UnbufferedStatus<'c, 'i, D>;

fn drive<D>(
    connection: &mut UnbufferedConnectionCommon<D>,
    process: Process<D>,
    incoming: &mut Vec<u8>,
    outgoing: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    let mut goes_on = true;
    while goes_on {
        let UnbufferedStatus { discard, state, .. } = process(connection, incoming);
        match state? {
            ConnectionState::EncodeTlsData(mut data) => {
                let start = outgoing.len();
                if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
                    outgoing.resize(start + needed.required_size, 0);
                    data.encode(&mut outgoing[start..]).unwrap();
                }
            }
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => goes_on = false,
            other => panic!("{other:?}"),
        }
        incoming.drain(..discard);
    }
    Ok(())
}

fn encrypter(suite: SupportedCipherSuite, secrets: ConnectionTrafficSecrets) -> Box<dyn MessageEncrypter> {
    let (key, iv) = key_and_iv(secrets);
    match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        // Only ever AES-GCM: a salt of 4 bytes and an explicit nonce of 8.
        SupportedCipherSuite::Tls12(suite) => {
            suite.aead_alg.encrypter(key, &iv.as_ref()[..4], &iv.as_ref()[4..])
        }
    }
}

fn decrypter(suite: SupportedCipherSuite, secrets: ConnectionTrafficSecrets) -> Box<dyn MessageDecrypter> {
    let (key, iv) = key_and_iv(secrets);
    match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.decrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => suite.aead_alg.decrypter(key, &iv.as_ref()[..4]),
    }
}

fn key_and_iv(secrets: ConnectionTrafficSecrets) -> (AeadKey, Iv) {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } | ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
            (key, iv)
        }
        _ => panic!("the raw peer prefers AES-GCM"),
    }
}

fn supported(version: ProtocolVersion) -> &'static SupportedProtocolVersion {
    match version {
        ProtocolVersion::TLSv1_3 => &rustls::version::TLS13,
        _ => &rustls::version::TLS12,
    }
}

/// A client of rustls' own that trusts anyone.
pub fn client_config(version: ProtocolVersion) -> ClientConfig {
    client_config_with(version, rustls_dist::provider::default_provider())
}

/// The same with its own cryptography.
pub fn client_config_with(version: ProtocolVersion, provider: CryptoProvider) -> ClientConfig {
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    client_config_of(version, provider, schemes)
}

/// The same that verifies signatures of these kinds.
pub fn client_config_of(
    version: ProtocolVersion,
    provider: CryptoProvider,
    schemes: Vec<SignatureScheme>,
) -> ClientConfig {
    trusting_anyone(version, provider, schemes).with_no_client_auth()
}

/// A client with a certificate that trusts anyone.
pub fn client_config_showing(version: ProtocolVersion, identity: &Pair) -> ClientConfig {
    let (chain, key) = parsed(identity);
    let provider = rustls_dist::provider::default_provider();
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    trusting_anyone(version, provider, schemes).with_client_auth_cert(chain, key).unwrap()
}

fn trusting_anyone(
    version: ProtocolVersion,
    provider: CryptoProvider,
    schemes: Vec<SignatureScheme>,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[supported(version)])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(schemes)))
}

fn parsed(identity: &Pair) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap())
}

/// A server of rustls' own that asks for no certificate; it sends tickets, as rustls does by default.
pub fn server_config(version: ProtocolVersion, identity: &Pair) -> ServerConfig {
    server_config_with(version, identity, rustls_dist::provider::default_provider())
}

/// The same with its own cryptography.
pub fn server_config_with(
    version: ProtocolVersion,
    identity: &Pair,
    provider: CryptoProvider,
) -> ServerConfig {
    let (chain, key) = parsed(identity);
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[supported(version)])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

#[derive(Debug)]
struct Anyone(Vec<SignatureScheme>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
