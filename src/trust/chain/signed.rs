//! The paths that signatures lead along, which are the true ones where several authorities have the same name: an authority
//! that changes its key signs the new one with the old one, in a self-issued certificate (RFC 5280 section 6.1), or is in the
//! trust store twice.
//!
//! Each is judged by webpki as [`again`] asks it, with nothing forgiven.

use std::collections::VecDeque;

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;

use super::again::{self, Forgiven, MOST_INTERMEDIATES};
use super::{ChainVerified, PeerRole, rules};
use crate::certificate;
use crate::error::HandshakeError;
use crate::trust::signature::{self, Signed};
use crate::trust::{TrustStore, outdated};

/// The most signatures that a search may check, which is what webpki allows itself, and the most paths that are judged.
const MOST_SIGNATURES: usize = 100;
const MOST_PATHS: usize = 8;

/// The verdict on the paths that signatures lead along: that one is good, or why the shortest is not. `None`: there is none.
///
/// The arguments are those of [`super::verify`].
pub(super) fn find_path(
    trust: &TrustStore,
    depth: usize,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    role: PeerRole,
    now: UnixTime,
) -> Option<Result<ChainVerified, HandshakeError>> {
    let peer = Known::of(end_entity)?;
    // A peer that is its own authority is refused for that.
    if certificate::is_self_issued(&peer.parsed) {
        return None;
    }
    let sent = intermediates.iter().chain(trust.intermediates());
    let between: Vec<_> = sent.filter_map(Known::of).collect();
    let roots: Vec<_> = trust.roots().iter().filter_map(Known::of).collect();
    let mut refusal = None;
    for path in search(&peer, &between, &roots) {
        match path.judge(depth, role, now) {
            Ok(verified) => return Some(Ok(verified)),
            Err(error) => refusal = refusal.or(Some(Err(error))),
        }
    }
    refusal
}

/// A certificate that can be read.
struct Known<'a> {
    der: &'a CertificateDer<'a>,
    parsed: X509Certificate<'a>,
}

impl<'a> Known<'a> {
    fn of(der: &'a CertificateDer<'a>) -> Option<Self> {
        certificate::parse(der).ok().map(|parsed| Self { der, parsed })
    }

    fn unforgiven(&self) -> Forgiven<'a> {
        Forgiven { certificate: self.der.clone(), consents: Vec::new() }
    }

    fn is_issuer_of(&self, below: &Known<'_>, signatures: &mut usize) -> bool {
        if self.parsed.subject().as_raw() != below.parsed.issuer().as_raw() || *signatures == MOST_SIGNATURES
        {
            return false;
        }
        *signatures += 1;
        signature::on_certificate(&below.parsed, &self.parsed) == Signed::ByIssuer
    }
}

/// The peer's certificate and each one's issuer behind it, and the root.
struct Path<'a> {
    certificates: Vec<&'a Known<'a>>,
    root: &'a Known<'a>,
}

impl Path<'_> {
    fn judge(&self, depth: usize, role: PeerRole, now: UnixTime) -> Result<ChainVerified, HandshakeError> {
        let path: Vec<_> = self.certificates.iter().map(|known| known.unforgiven()).collect();
        again::verify(&path, Some(&self.root.unforgiven()), depth, role, now)
            .map_err(|error| outdated::named(error, self.certificates.iter().map(|known| known.der)))?;
        let above = self.certificates[1..].iter().chain([&self.root]);
        let authorities: Vec<_> = above.map(|known| known.der.clone()).collect();
        Ok(ChainVerified { names: rules::name_scope_of(&authorities)? })
    }
}

/// The shortest ones first.
fn search<'a>(peer: &'a Known<'a>, between: &'a [Known<'a>], roots: &'a [Known<'a>]) -> Vec<Path<'a>> {
    let mut found = Vec::new();
    let mut signatures = 0;
    let mut partial = VecDeque::from([vec![peer]]);
    while let Some(certificates) = partial.pop_front()
        && let Some(top) = certificates.last()
    {
        for root in roots.iter().filter(|root| root.is_issuer_of(top, &mut signatures)) {
            found.push(Path { certificates: certificates.clone(), root });
            if found.len() == MOST_PATHS {
                return found;
            }
        }
        if certificates.len() > MOST_INTERMEDIATES {
            continue;
        }
        for issuer in between {
            let is_new = certificates.iter().all(|below| below.der != issuer.der);
            if is_new && issuer.is_issuer_of(top, &mut signatures) {
                partial.push_back([certificates.as_slice(), &[issuer]].concat());
            }
        }
    }
    found
}
