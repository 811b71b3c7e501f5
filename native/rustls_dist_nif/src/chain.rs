//! Judging a path again, whose faults the user's function forgave.

use rustler::{Atom, Binary, Encoder, Env, Error as NifError, NifResult, Term};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls_dist::trust::chain::PeerRole;
use rustls_dist::trust::chain::again::{self, Consent, Forgiven};

use crate::{atoms, terms};

/// `ok | {error, ErrorMap}` for a path: `[{Der, [Consent]}]`, the peer's certificate first, and `{Der, [Consent]}` or `none`
/// for its anchor. `role` is this side's.
#[rustler::nif(schedule = "DirtyCpu")]
fn chain_judge<'a>(
    env: Env<'a>,
    role: Atom,
    depth: usize,
    anchor: Term<'a>,
    path: Vec<Term<'a>>,
) -> NifResult<Term<'a>> {
    let path = path.into_iter().map(forgiven).collect::<NifResult<Vec<_>>>()?;
    let anchor = match anchor.is_atom() {
        true => None,
        false => Some(forgiven(anchor)?),
    };
    match again::verify(&path, anchor.as_ref(), depth, peer_role(role)?, UnixTime::now()) {
        Ok(()) => Ok(atoms::ok().encode(env)),
        Err(error) => terms::error_tuple(env, error),
    }
}

fn peer_role(role: Atom) -> NifResult<PeerRole> {
    if role == atoms::client() {
        Ok(PeerRole::Server)
    } else if role == atoms::server() {
        Ok(PeerRole::Client)
    } else {
        Err(NifError::BadArg)
    }
}

fn forgiven(term: Term<'_>) -> NifResult<Forgiven<'_>> {
    let (der, consents): (Binary<'_>, Vec<Term<'_>>) = term.decode()?;
    Ok(Forgiven {
        certificate: CertificateDer::from(der.as_slice().to_vec()),
        consents: consents.into_iter().map(consent).collect::<NifResult<_>>()?,
    })
}

/// The kinds of faults as rustls_dist_consent names them.
fn consent(term: Term<'_>) -> NifResult<Consent> {
    if let Ok((_extension, id)) = term.decode::<(Atom, String)>() {
        return Ok(Consent::Extension(id));
    }
    Ok(match term.atom_to_string()?.as_str() {
        "validity" => Consent::Validity,
        "purpose" => Consent::Purpose,
        "issuer" => Consent::Issuer,
        "signature" => Consent::Signature,
        "algorithm" => Consent::Algorithm,
        "path_length" => Consent::PathLength,
        "too_many_intermediates" => Consent::TooManyIntermediates,
        "names" => Consent::Names,
        "not_an_authority" => Consent::NotAnAuthority,
        "may_not_sign" => Consent::MayNotSign,
        "peer_is_authority" => Consent::PeerIsAuthority,
        "version" => Consent::Version,
        "weak_key" => Consent::WeakKey,
        "any_extension" => Consent::AnyExtension,
        _ => return Err(NifError::BadArg),
    })
}
