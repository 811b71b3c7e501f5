//! Authorities that change their key: the new one in a self-issued certificate that the old one signed (RFC 5280 section 6.1),
//! or two roots of one name. Such paths are good, and where they are not the reason is the true one.

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, GeneralSubtree, IsCa,
    KeyPair, NameConstraints, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls_dist::error::HandshakeError;
use rustls_dist::trust::chain::again::{self, Consent, Forgiven};
use rustls_dist::trust::chain::{self, NameScope, PeerRole};
use rustls_dist::trust::{TrustSource, TrustStore};
use support::link::{End, shake_specs};
use support::pki::{Authority, HOST, NOW_UNIX_S, Pair, Spec, issue};

const OUTSIDE: &str = "elsewhere.test";

/// An authority called `name`, which `above` signed, or itself.
fn authority(
    name: &str,
    above: Option<&Authority>,
    change: impl FnOnce(&mut CertificateParams),
) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    match above {
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
        Some(above) => CertifiedIssuer::signed_by(params, key, above).unwrap(),
    }
}

fn as_it_is(_params: &mut CertificateParams) {}

fn limit(authorities_below: u8) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(authorities_below))
}

/// Allows the names of the peers' certificates and no others.
fn names(params: &mut CertificateParams) {
    let permitted_subtrees = vec![GeneralSubtree::DnsName(HOST.to_owned())];
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
}

/// Bears a name that is not allowed.
fn outside(params: &mut CertificateParams) {
    params.subject_alt_names = CertificateParams::new(vec![OUTSIDE.to_owned()]).unwrap().subject_alt_names;
}

fn peer(by: &Authority) -> Pair {
    issue(by, KeyPair::generate().unwrap(), as_it_is)
}

/// What a peer shows, and what is trusted.
struct Shown {
    peer: Pair,
    above: Vec<String>,
    trusted: Vec<String>,
}

impl Shown {
    fn new(peer: Pair, above: &[&Authority], trusted: &[&Authority]) -> Self {
        let pems = |all: &[&Authority]| all.iter().map(|authority| authority.pem()).collect();
        Self { peer, above: pems(above), trusted: pems(trusted) }
    }

    fn verified(&self, role: PeerRole) -> Result<NameScope, HandshakeError> {
        let der = |pem: &String| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let trusted = TrustSource::Certificates(self.trusted.iter().map(der).collect());
        let trust = TrustStore::from_source(&trusted).unwrap();
        let above: Vec<_> = self.above.iter().map(der).collect();
        chain::verify(&trust, 10, &der(&self.peer.chain), &above, role, now()).map(|chain| chain.names())
    }

    /// How it comes out, `ok` or with what kind of fault: judged, and in handshakes, each in either role.
    fn outcome(&self) -> &'static str {
        let kinds = [PeerRole::Server, PeerRole::Client].map(|role| match self.verified(role) {
            Ok(_) => "ok",
            Err(error) => error.kind(),
        });
        let chain = [self.peer.chain.clone(), self.above.concat()].concat();
        let shows = Spec {
            identities: vec![Pair { chain, key: self.peer.key.clone() }],
            trust: None,
            ..Spec::default()
        }
        .unchecked();
        let judges = Spec { trust: Some(self.trusted.concat()), ..Spec::default() };
        let shaken = [shake_specs(&judges, &shows).client, shake_specs(&shows, &judges).server];
        let ends = shaken.map(|end| match end {
            End::Done(_) => "ok",
            End::Failed(failure) => failure.error.kind(),
            End::Going(_) => "not over",
        });
        assert_eq!(kinds, ends);
        assert_eq!(kinds[0], kinds[1]);
        kinds[0]
    }
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW_UNIX_S))
}

fn forgiven(pem: &str, consents: &[Consent]) -> Forgiven<'static> {
    Forgiven {
        certificate: CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(),
        consents: consents.to_vec(),
    }
}

fn judged_again(path: &[Forgiven<'_>], root: &Authority) -> Result<(), &'static str> {
    let root = forgiven(&root.pem(), &[]);
    again::verify(path, Some(&root), 10, PeerRole::Server, now()).map_err(|error| error.kind())
}

#[test]
fn a_key_that_changed_counts_for_no_limit() {
    let root = authority("root", None, as_it_is);
    let old = authority("a", Some(&root), limit(0));
    let new = authority("a", Some(&old), limit(0));
    let newer = authority("a", Some(&new), limit(0));
    assert_eq!(Shown::new(peer(&new), &[&new, &old], &[&root]).outcome(), "ok");
    assert_eq!(Shown::new(peer(&newer), &[&newer, &new, &old], &[&root]).outcome(), "ok");
    // In any order, with what leads nowhere between.
    let stranger = authority("a", None, as_it_is);
    assert_eq!(Shown::new(peer(&newer), &[&stranger, &old, &newer, &new], &[&root]).outcome(), "ok");

    let old = authority("a", Some(&root), limit(1));
    let new = authority("a", Some(&old), limit(1));
    let below = authority("b", Some(&new), limit(0));
    assert_eq!(Shown::new(peer(&below), &[&below, &new, &old], &[&root]).outcome(), "ok");
}

#[test]
fn authorities_of_other_names_count() {
    let root = authority("root", None, as_it_is);
    let old = authority("a", Some(&root), limit(0));
    let new = authority("a", Some(&old), as_it_is);
    let below = authority("b", Some(&new), as_it_is);
    let shown = Shown::new(peer(&below), &[&below, &new, &old], &[&root]);
    assert_eq!(shown.outcome(), "path_length_exceeded");

    // The same below a root that has changed its key.
    let root_now = authority("root", Some(&root), limit(0));
    let below = authority("b", Some(&root_now), as_it_is);
    assert_eq!(Shown::new(peer(&root_now), &[&root_now], &[&root]).outcome(), "ok");
    let shown = Shown::new(peer(&below), &[&below, &root_now], &[&root]);
    assert_eq!(shown.outcome(), "path_length_exceeded");
}

#[test]
fn its_own_names_are_not_bound_and_those_below_are() {
    let root = authority("root", None, names);
    let new = authority("root", Some(&root), outside);
    let good = Shown::new(peer(&new), &[&new], &[&root]);
    assert_eq!(good.outcome(), "ok");
    assert_eq!(good.verified(PeerRole::Server), Ok(NameScope::Constrained));

    let named_otherwise = issue(&new, KeyPair::generate().unwrap(), outside);
    assert_eq!(Shown::new(named_otherwise, &[&new], &[&root]).outcome(), "name_not_permitted");
    let below = authority("b", Some(&new), outside);
    assert_eq!(Shown::new(peer(&below), &[&below, &new], &[&root]).outcome(), "name_not_permitted");
    // Its own constraints hold as well.
    let free = authority("root", None, as_it_is);
    let new = authority("root", Some(&free), |params| {
        outside(params);
        names(params);
    });
    let named_otherwise = issue(&new, KeyPair::generate().unwrap(), outside);
    assert_eq!(Shown::new(named_otherwise, &[&new], &[&free]).outcome(), "name_not_permitted");
    let shown = Shown::new(peer(&new), &[&new], &[&free]);
    assert_eq!((shown.outcome(), shown.verified(PeerRole::Client)), ("ok", Ok(NameScope::Constrained)));
}

/// Two roots of one name in the trust store: the one that signed nothing of it is no reason.
#[test]
fn two_roots_of_one_name() {
    let old = authority("root", None, as_it_is);
    let new = authority("root", None, as_it_is);
    let limited = authority("a", Some(&new), limit(0));
    let below = authority("b", Some(&limited), as_it_is);
    assert_eq!(Shown::new(peer(&limited), &[&limited], &[&old, &new]).outcome(), "ok");
    let shown = Shown::new(peer(&below), &[&below, &limited], &[&old, &new]);
    assert_eq!(shown.outcome(), "path_length_exceeded");
}

#[test]
fn a_wrong_signature_is_told() {
    let root = authority("root", None, as_it_is);
    let new = authority("root", Some(&root), as_it_is);
    let impostor = authority("root", None, as_it_is);
    assert_eq!(Shown::new(peer(&impostor), &[&new], &[&root]).outcome(), "bad_signature");
    // One who calls himself the root cannot have been told by it.
    assert_eq!(Shown::new(peer(&impostor), &[&impostor], &[&root]).outcome(), "bad_signature");
    let by_impostor = authority("root", Some(&impostor), as_it_is);
    assert_eq!(
        Shown::new(peer(&by_impostor), &[&by_impostor, &impostor], &[&root]).outcome(),
        "bad_signature"
    );
}

/// Other faults are found beside, and what is forgiven hides none.
#[test]
fn nothing_else_is_forgiven() {
    let root = authority("root", None, as_it_is);
    let old = authority("a", Some(&root), limit(0));
    let expired = authority("a", Some(&old), |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    assert_eq!(Shown::new(peer(&expired), &[&expired, &old], &[&root]).outcome(), "certificate_expired");
    let member = authority("a", Some(&old), |params| params.is_ca = IsCa::ExplicitNoCa);
    assert_eq!(Shown::new(peer(&member), &[&member, &old], &[&root]).outcome(), "not_an_authority");

    let judged = |path: &[Forgiven<'_>]| judged_again(path, &root);
    let lowest = peer(&expired);
    let lowest = forgiven(&lowest.chain, &[]);
    let path = |consents| [lowest.clone(), forgiven(&expired.pem(), consents), forgiven(&old.pem(), &[])];
    assert_eq!(judged(&path(&[])), Err("certificate_expired"));
    assert_eq!(judged(&path(&[Consent::Validity])), Ok(()));
    let below = authority("b", Some(&expired), as_it_is);
    let lowest = forgiven(&peer(&below).chain, &[]);
    let [_, expired, old] = path(&[Consent::Validity]);
    let longer = [lowest, forgiven(&below.pem(), &[]), expired, old];
    assert_eq!(judged(&longer), Err("path_length_exceeded"));
}

/// In copies of such a path authorities have other names. Whoever writes one of those into a certificate is linked to nobody by it.
#[test]
fn names_of_copies_link_nobody() {
    let root = authority("root", None, as_it_is);
    let old = authority("a", Some(&root), as_it_is);
    let key = KeyPair::generate().unwrap();
    let same_key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let new = CertifiedIssuer::signed_by(params.clone(), key, &old).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 999, 1, 1]), "\u{1}");
    let posing = CertifiedIssuer::self_signed(params, same_key).unwrap();
    let path =
        |lowest: &Pair| [forgiven(&lowest.chain, &[]), forgiven(&new.pem(), &[]), forgiven(&old.pem(), &[])];
    assert_eq!(judged_again(&path(&peer(&new)), &root), Ok(()));
    assert_eq!(judged_again(&path(&peer(&posing)), &root), Err("unknown_issuer"));
}
