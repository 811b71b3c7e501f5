//! The verdict on a path whose faults somebody forgave, who has a say in it beside webpki.
//!
//! webpki stops at the first fault that it finds. When that one is forgiven, nobody has looked for others: so webpki, the
//! judge of record, is asked again, about copies of the certificates that lack what is forgiven and nothing else. Signatures
//! are checked over what was signed, and not over the copies.
//!
//! In the same way it judges paths with self-issued certificates, with which an authority changes its key. By RFC 5280 such a
//! certificate counts for no pathLenConstraint (section 6.1.4, l) and is bound by no nameConstraints (section 6.1.3, b and c);
//! webpki makes no difference, and tries keys that bear the same name in turn, so that a wrong signature is all that it tells.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use webpki::{EndEntityCert, anchor_from_trusted_cert};

use super::copy::{self, Copy, Encoded};
use super::{PeerRole, usage, webpki_error};
use crate::certificate;
use crate::error::{BadEncoding, HandshakeError};
use crate::provider;
use crate::trust::chain::rules;
use crate::trust::oddity;

/// One kind of fault that is forgiven.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consent {
    /// Expired, or not valid yet.
    Validity,
    /// Not meant for the peer's role (extended key usage).
    Purpose,
    /// The names of an issuer and of the certificate above are not the same.
    Issuer,
    /// The signature is wrong.
    Signature,
    /// The signature's algorithm, or the kind of the key that made it, is not accepted.
    Algorithm,
    /// More authorities than `depth` or a pathLenConstraint allows.
    PathLength,
    /// More intermediates than webpki follows.
    TooManyIntermediates,
    /// Names beyond what an authority may certify.
    Names,
    /// An issuer is no authority (basicConstraints).
    NotAnAuthority,
    /// An authority may not sign certificates (keyUsage).
    MayNotSign,
    /// The peer's certificate is one of an authority.
    PeerIsAuthority,
    /// X.509 version 1 or 2.
    Version,
    /// An RSA key of the peer that is too short.
    WeakKey,
    /// The critical extension with this object identifier, in dotted form.
    Extension(String),
    /// Every critical extension.
    AnyExtension,
}

/// A certificate with what is forgiven in it.
#[derive(Debug, Clone)]
pub struct Forgiven<'a> {
    /// The certificate as it was sent.
    pub certificate: CertificateDer<'a>,
    /// The kinds of faults.
    pub consents: Vec<Consent>,
}

impl Forgiven<'_> {
    fn forgives(&self, consent: &Consent) -> bool {
        self.consents.contains(consent)
    }
}

/// The most intermediates that webpki follows.
pub(super) const MOST_INTERMEDIATES: usize = 6;

/// Names that no certificate bears, and algorithms that none has: object identifiers of the arc for examples (2.999).
const NOBODY: &[u8] = b"\x30\x11\x31\x0f\x30\x0d\x06\x03\x88\x37\x01\x0c\x06nobody";
const FORGIVEN_SIGNATURE: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(b"\x06\x03\x88\x37\x02");
const FORGIVEN_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(b"\x06\x03\x88\x37\x03");

/// Judges one path again.
///
/// - `path`: the peer's certificate and each one's issuer behind it, the anchor left out.
/// - `anchor`: the trusted root that the path ends at. Without one, whoever forgave that trusts the topmost certificate, whose
///   issuer and signature are then not looked at. A peer that is its own authority is judged as if nobody was.
/// - `depth`, `role`, `now`: as for [`super::verify`].
///
/// # Errors
/// As [`super::verify`]: the first fault that is not forgiven.
pub fn verify(
    path: &[Forgiven<'_>],
    anchor: Option<&Forgiven<'_>>,
    depth: usize,
    role: PeerRole,
    now: UnixTime,
) -> Result<(), HandshakeError> {
    let sent = path.iter().map(|forgiven| &forgiven.certificate);
    judge_all(path, anchor, depth, role, now).map_err(|error| oddity::named(error, sent))
}

fn judge_all(
    path: &[Forgiven<'_>],
    anchor: Option<&Forgiven<'_>>,
    depth: usize,
    role: PeerRole,
    now: UnixTime,
) -> Result<(), HandshakeError> {
    let Some((peer, authorities)) = path.split_first() else {
        return Err(BadEncoding.into());
    };
    if !peer.forgives(&Consent::WeakKey) {
        rules::check_key(&peer.certificate)?;
    }
    if authorities.len() > MOST_INTERMEDIATES && peer.forgives(&Consent::TooManyIntermediates) {
        judge_in_parts(path, anchor, role, now)?;
    } else {
        judge(path, anchor, role, now)?;
    }
    rules(path, anchor, depth, now)
}

/// A path that is longer than webpki follows is cut where it has to be; the certificate at a cut belongs to both parts. What
/// spans a cut is not judged: limits of length, of which there is one that is forgiven, and constraints of names.
fn judge_in_parts(
    path: &[Forgiven<'_>],
    anchor: Option<&Forgiven<'_>>,
    role: PeerRole,
    now: UnixTime,
) -> Result<(), HandshakeError> {
    let mut rest = path.to_vec();
    while rest.len() > MOST_INTERMEDIATES + 1 {
        judge(&rest[..=MOST_INTERMEDIATES], None, role, now)?;
        rest.drain(..MOST_INTERMEDIATES);
        rest[0].consents.push(Consent::PeerIsAuthority);
    }
    judge(&rest, anchor, role, now)
}

fn judge(
    path: &[Forgiven<'_>],
    anchor: Option<&Forgiven<'_>>,
    role: PeerRole,
    now: UnixTime,
) -> Result<(), HandshakeError> {
    let supported: WebPkiSupportedAlgorithms = provider::signature_algorithms();
    let mended = Mended::of(path, anchor, &supported)?;
    let checks: Vec<AsSigned<'_>> =
        supported.all.iter().map(|inner| AsSigned { inner: *inner, copies: &mended.copies }).collect();
    let forgiven = NotChecked(&mended.unsigned);
    let mut algorithms: Vec<&dyn SignatureVerificationAlgorithm> = vec![&forgiven];
    algorithms.extend(checks.iter().map(|check| check as &dyn SignatureVerificationAlgorithm));
    let anchors = match anchor {
        Some(anchor) => {
            let mut trusted = anchor_from_trusted_cert(&anchor.certificate).map_err(webpki_error)?;
            if mended.any_names {
                trusted.name_constraints = None;
            }
            if let Some(name) = &mended.anchor_name {
                trusted.subject = copy::value(name).map_err(|_| BadEncoding)?.into();
            }
            if let Some(key) = &mended.anchor_key {
                trusted.subject_public_key_info = key.as_slice().into();
            }
            trusted.to_owned()
        }
        None => TrustAnchor {
            subject: copy::value(NOBODY).unwrap_or_default().into(),
            subject_public_key_info: forgiven_key(path.len()).into(),
            name_constraints: None,
        },
    };
    let (peer, authorities) = mended.certificates.split_first().ok_or(BadEncoding)?;
    EndEntityCert::try_from(peer)
        .map_err(webpki_error)?
        .verify_for_usage(&algorithms, &[anchors], authorities, now, usage(role), None, None)
        .map(|_path| ())
        .map_err(webpki_error)
}

/// OTP's rules, which webpki lacks: see [`super::rules`].
fn rules(
    path: &[Forgiven<'_>],
    anchor: Option<&Forgiven<'_>>,
    depth: usize,
    now: UnixTime,
) -> Result<(), HandshakeError> {
    let mut intermediates = 0;
    for authority in &path[1..] {
        let parsed = certificate::parse(&authority.certificate)?;
        if !authority.forgives(&Consent::MayNotSign) {
            rules::may_sign(&parsed)?;
        }
        intermediates += usize::from(!certificate::is_self_issued(&parsed));
    }
    let forgives_names = path.iter().chain(anchor).any(|forgiven| forgiven.forgives(&Consent::Names));
    if !forgives_names {
        let authorities: Vec<_> =
            path[1..].iter().chain(anchor).map(|forgiven| forgiven.certificate.clone()).collect();
        rules::name_scope_of(&authorities)?;
    }
    if intermediates > depth && !path.iter().any(|forgiven| forgiven.forgives(&Consent::PathLength)) {
        return Err(HandshakeError::ChainTooDeep { intermediates, depth });
    }
    let Some(anchor) = anchor else {
        return Ok(());
    };
    let parsed = certificate::parse(&anchor.certificate)?;
    if !anchor.forgives(&Consent::MayNotSign) {
        rules::may_sign(&parsed)?;
    }
    if !anchor.forgives(&Consent::Validity) {
        rules::valid_at(&parsed, now)?;
    }
    rules::is_understood(&parsed, |id| {
        anchor.forgives(&Consent::AnyExtension) || anchor.forgives(&Consent::Extension(id.to_owned()))
    })
}

/// A path with what is forgiven in it mended.
struct Mended {
    certificates: Vec<CertificateDer<'static>>,
    /// What was signed in the place of each copy.
    copies: Vec<(Vec<u8>, Vec<u8>)>,
    /// What bears a signature that is not to be checked.
    unsigned: Vec<Vec<u8>>,
    any_names: bool,
    /// The name to put in the place of the anchor's, with tag and length.
    anchor_name: Option<Vec<u8>>,
    /// The contents of the SubjectPublicKeyInfo to put in the place of the anchor's.
    anchor_key: Option<Vec<u8>>,
}

impl Mended {
    fn of(
        path: &[Forgiven<'_>],
        anchor: Option<&Forgiven<'_>>,
        supported: &WebPkiSupportedAlgorithms,
    ) -> Result<Self, BadEncoding> {
        let certificates = path.iter().chain(anchor).map(|forgiven| forgiven.certificate.as_ref());
        let originals = certificates.map(Copy::of).collect::<Result<Vec<_>, _>>()?;
        let whole = |consent| path.iter().chain(anchor).any(|forgiven| forgiven.forgives(&consent));
        let (any_names, any_length) = (whole(Consent::Names), whole(Consent::PathLength));
        let is_lone = path.len() == 1 && anchor.is_none() && originals[0].is_self_issued();
        let mut mended = Self {
            certificates: Vec::new(),
            copies: Vec::new(),
            unsigned: Vec::new(),
            any_names,
            anchor_name: None,
            anchor_key: None,
        };
        let is_renamed = bears_a_name_twice(&originals);
        let mut self_issued_below = 0;
        let mut below_unsigned = false;
        for (position, forgiven) in path.iter().enumerate() {
            let issuer = originals.get(position + 1);
            let mut copy = Copy::of(&forgiven.certificate)?;
            if position > 0 {
                copy.allow_more_below(self_issued_below)?;
                if copy.is_self_issued() {
                    copy.no_alternative_names();
                    self_issued_below = self_issued_below.saturating_add(1);
                }
            }
            mend(&mut copy, forgiven, position, is_lone)?;
            if any_names {
                copy.any_names();
            }
            if any_length {
                copy.any_path_length()?;
            }
            if below_unsigned {
                copy.with_key(&forgiven_key(position))?;
            }
            below_unsigned = match issuer {
                None => true,
                Some(_) if forgiven.forgives(&Consent::Signature) => true,
                Some(issuer) => {
                    forgiven.forgives(&Consent::Algorithm) && !is_supported(&copy, issuer, supported)?
                }
            };
            let is_linked = issuer.is_some_and(|issuer| issuer.subject() == copy.issuer());
            match issuer {
                None => copy.issued_by(NOBODY),
                Some(_) if is_renamed && (is_linked || forgiven.forgives(&Consent::Issuer)) => {
                    copy.issued_by(&name_of(position + 1));
                }
                // Nobody above has this one, whatever the certificate says.
                Some(_) if is_renamed => copy.issued_by(&name_of(0)),
                Some(issuer) if forgiven.forgives(&Consent::Issuer) => copy.issued_by(issuer.subject()),
                Some(_) => {}
            }
            if is_renamed && position > 0 {
                copy.issued_to(&name_of(position));
            }
            if below_unsigned {
                copy.signed_with(FORGIVEN_SIGNATURE.as_ref())?;
            }
            mended.add(&copy, below_unsigned)?;
        }
        mended.anchor_name = is_renamed.then(|| name_of(path.len()));
        if below_unsigned && anchor.is_some() {
            mended.anchor_key = Some(forgiven_key(path.len()));
        }
        Ok(mended)
    }

    fn add(&mut self, copy: &Copy<'_>, is_unsigned: bool) -> Result<(), BadEncoding> {
        let Encoded { certificate, to_be_signed } = copy.encode()?;
        if is_unsigned {
            self.unsigned.push(to_be_signed);
        } else if to_be_signed != copy.original {
            self.copies.push((to_be_signed, copy.original.to_vec()));
        }
        self.certificates.push(certificate.into());
        Ok(())
    }
}

/// Mends what one certificate alone is about. Position 0 is the peer's. A peer that is its own authority is in no other
/// place of any path: neither its version nor that it says to be an authority means anything.
fn mend(
    copy: &mut Copy<'_>,
    forgiven: &Forgiven<'_>,
    position: usize,
    is_lone: bool,
) -> Result<(), BadEncoding> {
    for consent in &forgiven.consents {
        match consent {
            Consent::Validity => copy.always_valid(),
            Consent::Purpose => copy.any_purpose(),
            Consent::Version => copy.version_3(),
            Consent::PeerIsAuthority if position == 0 => copy.no_authority(),
            Consent::NotAnAuthority if position > 0 => copy.authority()?,
            Consent::Extension(id) => copy.uncritical(|extension| extension == id)?,
            Consent::AnyExtension => copy.uncritical(|_| true)?,
            _ => {}
        }
    }
    if is_lone {
        copy.version_3();
        copy.no_authority();
    }
    Ok(())
}

/// Whether two authorities of a path have the same name, so that webpki would try the one in the place of the other.
fn bears_a_name_twice(path: &[Copy<'_>]) -> bool {
    let authorities = path.get(1..).unwrap_or_default();
    authorities.iter().enumerate().any(|(position, authority)| {
        authorities[..position].iter().any(|below| below.subject() == authority.subject())
    })
}

fn is_supported(
    copy: &Copy<'_>,
    issuer: &Copy<'_>,
    supported: &WebPkiSupportedAlgorithms,
) -> Result<bool, BadEncoding> {
    let (algorithm, is_consistent) = copy.algorithm()?;
    let key = issuer.key_algorithm()?;
    let fits = |candidate: &&dyn SignatureVerificationAlgorithm| {
        candidate.signature_alg_id().as_ref() == algorithm && candidate.public_key_alg_id().as_ref() == key
    };
    Ok(is_consistent && supported.all.iter().any(fits))
}

/// A name that no other position of a path has, with tag and length. It says nothing: webpki only compares it.
fn name_of(position: usize) -> Vec<u8> {
    let mut name = b"\x30\x0d\x31\x0b\x30\x09\x06\x04\x88\x37\x01\x01\x0c\x01".to_vec();
    name.push(position as u8);
    name
}

/// The contents of a SubjectPublicKeyInfo of a kind that checks nothing. Each position has its own, since a certificate with
/// the name and the key of one below it would be passed over.
fn forgiven_key(position: usize) -> Vec<u8> {
    let mut key = b"\x30\x05\x06\x03\x88\x37\x03\x03\x02\x00".to_vec();
    key.push(position as u8);
    key
}

/// An algorithm that checks signatures over what was signed, and not over a copy of it.
#[derive(Debug)]
struct AsSigned<'a> {
    inner: &'static dyn SignatureVerificationAlgorithm,
    copies: &'a [(Vec<u8>, Vec<u8>)],
}

impl SignatureVerificationAlgorithm for AsSigned<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let mut originals = self.copies.iter().filter(|(copy, _)| copy == message).peekable();
        if originals.peek().is_none() {
            return self.inner.verify_signature(public_key, message, signature);
        }
        originals.try_for_each(|(_, original)| self.inner.verify_signature(public_key, original, signature))
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

/// The algorithm of signatures that are not checked, which are those of these messages.
#[derive(Debug)]
struct NotChecked<'a>(&'a [Vec<u8>]);

impl SignatureVerificationAlgorithm for NotChecked<'_> {
    fn verify_signature(
        &self,
        _key: &[u8],
        message: &[u8],
        _signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match self.0.iter().any(|unsigned| unsigned == message) {
            true => Ok(()),
            false => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        FORGIVEN_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        FORGIVEN_SIGNATURE
    }
}
