//! Certificates made on the spot, and the two sides that are built from them. Files exist only while a side is built.

use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::SupportedCipherSuite;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls_dist::config::{ClientSide, JudgedBy, Options, ServerSide, Verify};
use rustls_dist::error::ConfigError;
use rustls_dist::identity::IdentityFiles;
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::Versions;
use rustls_dist::trust::TrustSource;
use rustls_dist::trust::hostname::CommonNamePolicy;
use rustls_dist::trust::policy::ClientAuth;

use super::Folder;

/// The host that the certificates are for.
pub const HOST: &str = "node.example";

/// The time at which handshakes take place unless a test says otherwise: 2026-01-01.
pub const NOW_UNIX_S: u64 = 1_767_225_600;

pub type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate chain and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub chain: String,
    pub key: String,
}

pub static CA: LazyLock<Authority> = LazyLock::new(|| authority("ca", None));
pub static OTHER_CA: LazyLock<Authority> = LazyLock::new(|| authority("other ca", None));
pub static EC: LazyLock<Pair> = LazyLock::new(|| issue(&CA, KeyPair::generate().unwrap(), |_| {}));
pub static RSA: LazyLock<Pair> = LazyLock::new(|| {
    let output = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .unwrap();
    issue(&CA, KeyPair::from_pem(&String::from_utf8(output.stdout).unwrap()).unwrap(), |_| {})
});

/// An authority called `name`: a root, or an intermediate that `above` signed.
pub fn authority(name: &str, above: Option<&Authority>) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    match above {
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
        Some(above) => CertifiedIssuer::signed_by(params, key, above).unwrap(),
    }
}

/// A certificate for [`HOST`], after `change` had a look at what goes into it.
pub fn issue(by: &Authority, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Pair {
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, HOST);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    Pair { chain: params.signed_by(&key, by).unwrap().pem(), key: key.serialize_pem() }
}

/// A certificate of X.509 version 1 that signs itself; `algorithm` is in the words of `openssl genpkey`.
pub fn version_1(algorithm: &str) -> Pair {
    let folder = Folder::new();
    folder.openssl(&format!("genpkey -algorithm {algorithm} -out key"));
    folder.openssl("req -new -key key -subj /CN=old -out csr");
    folder.openssl("x509 -req -in csr -signkey key -out certificate");
    let read = |name| std::fs::read_to_string(folder.path(name)).unwrap();
    Pair { chain: read("certificate"), key: read("key") }
}

/// A clock that stands still.
#[derive(Debug)]
struct Fixed(u64);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// A clock that always shows `now_unix_s`.
pub fn clock(now_unix_s: u64) -> Arc<dyn TimeProvider> {
    Arc::new(Fixed(now_unix_s))
}

/// What a side is made of. The default is as strict as can be and works.
#[derive(Clone)]
pub struct Spec {
    pub identities: Vec<Pair>,
    pub trust: Option<String>,
    pub verify: Verify,
    pub judged_by: JudgedBy,
    pub client_auth: ClientAuth,
    pub depth: usize,
    pub versions: Versions,
    pub suites: Option<Vec<SupportedCipherSuite>>,
    pub groups: Groups,
    pub key_update_at_bytes: u64,
    pub now_unix_s: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            identities: vec![EC.clone()],
            trust: Some(CA.pem()),
            verify: Verify::Peer,
            judged_by: JudgedBy::Webpki,
            client_auth: ClientAuth::Required,
            depth: 10,
            versions: Versions::Default,
            suites: None,
            groups: Groups::default(),
            key_update_at_bytes: u64::MAX,
            now_unix_s: NOW_UNIX_S,
        }
    }
}

impl Spec {
    /// A side that negotiates `suite` and nothing else, with a key that fits.
    pub fn suite(suite: SupportedCipherSuite) -> Self {
        let needs_rsa = format!("{:?}", suite.suite()).contains("_RSA_");
        let identity = if needs_rsa { RSA.clone() } else { EC.clone() };
        Self { identities: vec![identity], suites: Some(vec![suite]), ..Self::default() }
    }

    /// A side that speaks `version` and nothing else.
    pub fn version(version: rustls::ProtocolVersion) -> Self {
        Self { versions: Versions::Exactly(vec![version]), ..Self::default() }
    }

    /// The same side, which takes any peer.
    #[must_use]
    pub fn unchecked(self) -> Self {
        Self { verify: Verify::None, ..self }
    }

    pub fn server(&self) -> Result<ServerSide, ConfigError> {
        self.build(ServerSide::new)
    }

    pub fn client(&self) -> Result<ClientSide, ConfigError> {
        self.build(ClientSide::new)
    }

    fn build<S>(
        &self,
        make: fn(&Options, Arc<dyn TimeProvider>) -> Result<S, ConfigError>,
    ) -> Result<S, ConfigError> {
        let folder = Folder::new();
        make(&self.options(&folder), clock(self.now_unix_s))
    }

    /// The options, whose files are in `folder`.
    pub fn options(&self, folder: &Folder) -> Options {
        Options {
            identities: self
                .identities
                .iter()
                .enumerate()
                .map(|(index, pair)| IdentityFiles {
                    certfile: folder.write(&format!("certificate{index}"), &pair.chain),
                    keyfile: Some(folder.write(&format!("key{index}"), &pair.key)),
                    password: None,
                })
                .collect(),
            trust: self.trust.as_ref().map(|trust| TrustSource::File(folder.write("cas", trust))),
            verify: self.verify,
            judged_by: self.judged_by,
            client_auth: self.client_auth,
            depth: self.depth,
            versions: self.versions.clone(),
            cipher_suites: self.suites.clone(),
            groups: self.groups.clone(),
            key_update_at_bytes: self.key_update_at_bytes,
            common_name: CommonNamePolicy::Fallback,
        }
    }
}
