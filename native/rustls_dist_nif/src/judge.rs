//! What a handshake would say of a chain, without one: of a peer whose link is up, and of what this node itself shows.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustler::{Binary, Encoder, Env, NifResult, ResourceArc, Term};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls_dist::error::HandshakeError;
use rustls_dist::pem;
use rustls_dist::trust::policy::ExpectedName;
use rustls_dist::wiping::{Computed, wiping_behind};

use crate::bytes::into_binary;
use crate::config::{Config, KEYS_STACK_BYTES, Side};
use crate::handshake::expected_name;
use crate::{atoms, terms};

/// `ok | {error, ErrorMap}`: the verdict of this configuration, where no referee has a say, on a chain (DER, leaf first) that
/// a peer showed, perhaps none. `Name` as for `handshake_new`.
#[rustler::nif(schedule = "DirtyCpu")]
fn config_judge<'a>(
    env: Env<'a>,
    config: ResourceArc<Config>,
    name: Term<'a>,
    chain: Vec<Binary<'a>>,
) -> NifResult<Term<'a>> {
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice().to_vec())).collect();
    verdict(env, judge(&config, expected_name(name)?, &chain))
}

/// `[ok | {error, ErrorMap}]`: the same on each of the chains that the configuration `shown` may show.
#[rustler::nif(schedule = "DirtyCpu")]
fn config_judge_own<'a>(
    env: Env<'a>,
    config: ResourceArc<Config>,
    name: Term<'a>,
    shown: ResourceArc<Config>,
) -> NifResult<Vec<Term<'a>>> {
    let name = expected_name(name)?;
    let chains = shown.side.own_chains().into_iter();
    chains.map(|chain| verdict(env, judge(&config, name.clone(), chain))).collect()
}

fn judge(config: &Config, name: ExpectedName, chain: &[CertificateDer<'_>]) -> Result<(), HandshakeError> {
    let now = UnixTime::now();
    match &config.side {
        Side::Client(side) => side.judge(name, chain, now),
        Side::Server(side) => side.judge(chain, now),
    }
}

fn verdict(env: Env<'_>, verdict: Result<(), HandshakeError>) -> NifResult<Term<'_>> {
    match verdict {
        Ok(()) => Ok(atoms::ok().encode(env)),
        Err(error) => terms::error_tuple(env, error),
    }
}

/// `{ok, Sha256} | {error, ErrorMap}` for a file, whose bytes may be a private key and do not become a term.
#[rustler::nif(schedule = "DirtyIo")]
fn file_digest<'a>(env: Env<'a>, path: Binary<'a>) -> NifResult<Term<'a>> {
    let path = PathBuf::from(std::ffi::OsString::from_vec(path.as_slice().to_vec()));
    match wiping_behind::<KEYS_STACK_BYTES, _>(Computed::Handshake, || pem::digest(&path)) {
        Ok(digest) => Ok((atoms::ok(), into_binary(env, digest.to_vec())).encode(env)),
        Err(error) => terms::error_tuple(env, error),
    }
}
