//! Configuration: an options map in, a resource out.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustler::{Atom, Binary, Encoder, Env, Error as NifError, NifResult, Resource, ResourceArc, Term};
use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::time_provider::DefaultTimeProvider;
use rustls_dist::cipher_names;
use rustls_dist::config::{ClientSide, JudgedBy, Options, ServerSide, Verify};
use rustls_dist::error::ConfigError;
use rustls_dist::group_names;
use rustls_dist::identity::private_key::Password;
use rustls_dist::identity::{self, IdentityFiles};
use rustls_dist::key_exchange::Groups;
use rustls_dist::provider::Versions;
use rustls_dist::trust::TrustSource;
use rustls_dist::trust::hostname::CommonNamePolicy;
use rustls_dist::trust::policy::ClientAuth;
use rustls_dist::wiping::{Computed, wiping_behind};

use crate::bytes::into_binary;
use crate::census::{CONFIGS, Token};
use crate::{atoms, terms};

/// More than reading private keys takes of a scheduler's stack, which is wiped behind it: a dirty one has 320 KiB.
pub const KEYS_STACK_BYTES: usize = 64 * 1024;

/// One role's configuration, shared by all of its handshakes.
pub struct Config {
    pub side: Side,
    pub judged_by: JudgedBy,
    _alive: Token,
}

pub enum Side {
    Client(Box<ClientSide>),
    Server(ServerSide),
}

impl Side {
    /// The chains that it may show, each leaf first.
    pub fn own_chains(&self) -> Vec<&[CertificateDer<'static>]> {
        match self {
            Self::Client(side) => side.own_chains(),
            Self::Server(side) => side.own_chains(),
        }
    }
}

#[rustler::resource_impl]
impl Resource for Config {}

/// Reads the files that `options` names: `{ok, Config, [OwnChain], [TrustedDer]} | {error, ErrorMap}`.
#[rustler::nif(schedule = "DirtyIo")]
fn config_new<'a>(env: Env<'a>, role: Atom, options: Term<'a>) -> NifResult<Term<'a>> {
    let judged_by = judged_by(options)?;
    match wiping_behind::<KEYS_STACK_BYTES, _>(Computed::Handshake, || build(role, options))? {
        Ok(side) => {
            let own = side
                .own_chains()
                .into_iter()
                .map(|chain| chain.iter().map(|der| terms::certificate_map(env, der)).collect())
                .collect::<NifResult<Vec<Vec<_>>>>()?;
            let trusted = match &side {
                Side::Client(side) => side.trusted(),
                Side::Server(side) => side.trusted(),
            };
            let trusted: Vec<_> =
                trusted.iter().map(|certificate| into_binary(env, certificate.to_vec())).collect();
            let config = ResourceArc::new(Config { side, judged_by, _alive: CONFIGS.enter() });
            Ok((atoms::ok(), config, own, trusted).encode(env))
        }
        Err(error) => terms::error_tuple(env, error),
    }
}

/// The outer error is a malformed call, the inner one the user's to mend.
fn build(role: Atom, options: Term<'_>) -> NifResult<Result<Side, ConfigError>> {
    let options = match decode(options)? {
        Ok(options) => options,
        Err(error) => return Ok(Err(error)),
    };
    let time = Arc::new(DefaultTimeProvider);
    let side = if role == atoms::server() {
        ServerSide::new(&options, time).map(Side::Server)
    } else if role == atoms::client() {
        ClientSide::new(&options, time).map(|side| Side::Client(Box::new(side)))
    } else {
        return Err(NifError::BadArg);
    };
    Ok(side.and_then(|side| {
        for (chain, files) in side.own_chains().into_iter().zip(&options.identities) {
            identity::fits_message(chain, &files.certfile)?;
        }
        Ok(side)
    }))
}

fn decode(map: Term<'_>) -> NifResult<Result<Options, ConfigError>> {
    let cipher_suites = match get::<Vec<String>>(map, atoms::ciphers())? {
        None => None,
        Some(names) => match cipher_names::parse_all(&names) {
            Ok(suites) => Some(suites),
            Err(error) => return Ok(Err(error)),
        },
    };
    let groups = match groups(map)? {
        Ok(groups) => groups,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(Options {
        identities: identities(map)?,
        trust: trust(map)?,
        verify: verify(map)?,
        judged_by: judged_by(map)?,
        client_auth: match get::<bool>(map, atoms::fail_if_no_peer_cert())? {
            Some(true) => ClientAuth::Required,
            _ => ClientAuth::Optional,
        },
        depth: get(map, atoms::depth())?.ok_or(NifError::BadArg)?,
        versions: versions(map)?,
        cipher_suites,
        groups,
        key_update_at_bytes: get(map, atoms::key_update_at())?.unwrap_or(u64::MAX),
        common_name: match get::<bool>(map, atoms::common_name_fallback())? {
            Some(true) => CommonNamePolicy::Fallback,
            _ => CommonNamePolicy::Ignore,
        },
    }))
}

fn groups(map: Term<'_>) -> NifResult<Result<Groups, ConfigError>> {
    let in_order = get::<Vec<String>>(map, atoms::supported_groups())?;
    let for_tls12 = get::<Vec<String>>(map, atoms::eccs())?;
    let parsed = |option, names: Option<Vec<String>>| {
        names.map(|names| group_names::parse_all(option, &names)).transpose()
    };
    Ok(parsed("supported_groups", in_order)
        .and_then(|in_order| Ok(Groups { in_order, for_tls12: parsed("eccs", for_tls12)? })))
}

/// `certfile`, `keyfile` and `password` at the top, or several such maps under `identities`.
fn identities(map: Term<'_>) -> NifResult<Vec<IdentityFiles>> {
    match get::<Vec<Term<'_>>>(map, atoms::identities())? {
        None => Ok(identity(map)?.into_iter().collect()),
        Some(maps) => maps.into_iter().map(|map| identity(map)?.ok_or(NifError::BadArg)).collect(),
    }
}

fn identity(map: Term<'_>) -> NifResult<Option<IdentityFiles>> {
    let Some(certfile) = path(map, atoms::certfile())? else {
        return Ok(None);
    };
    let keyfile = path(map, atoms::keyfile())?;
    let password = bytes(map, atoms::password())?.map(Password::from);
    Ok(Some(IdentityFiles { certfile, keyfile, password }))
}

/// `cacerts` wins over `cacertfile`, as in ssl.
fn trust(map: Term<'_>) -> NifResult<Option<TrustSource>> {
    let certificates = get::<Vec<Binary<'_>>>(map, atoms::cacerts())?;
    let owned = |der: Binary<'_>| CertificateDer::from(der.as_slice().to_vec());
    Ok(match certificates {
        Some(certificates) => Some(TrustSource::Certificates(certificates.into_iter().map(owned).collect())),
        None => path(map, atoms::cacertfile())?.map(TrustSource::File),
    })
}

fn get<'a, T: rustler::Decoder<'a>>(map: Term<'a>, key: Atom) -> NifResult<Option<T>> {
    map.map_get(key).ok().map(|value| value.decode()).transpose()
}

fn bytes(map: Term<'_>, key: Atom) -> NifResult<Option<Vec<u8>>> {
    let value: Option<Binary<'_>> = get(map, key)?;
    Ok(value.map(|binary| binary.as_slice().to_vec()))
}

fn path(map: Term<'_>, key: Atom) -> NifResult<Option<PathBuf>> {
    let value = bytes(map, key)?;
    Ok(value.map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))))
}

/// Verification has no default here: a caller that forgets it is not given less security.
fn verify(map: Term<'_>) -> NifResult<Verify> {
    match get::<Atom>(map, atoms::verify())? {
        Some(atom) if atom == atoms::verify_peer() => Ok(Verify::Peer),
        Some(atom) if atom == atoms::verify_none() => Ok(Verify::None),
        _ => Err(NifError::BadArg),
    }
}

fn judged_by(map: Term<'_>) -> NifResult<JudgedBy> {
    match get::<Atom>(map, atoms::judged_by())? {
        Some(atom) if atom == atoms::referee() => Ok(JudgedBy::Referee),
        Some(atom) if atom == atoms::webpki() => Ok(JudgedBy::Webpki),
        _ => Err(NifError::BadArg),
    }
}

fn versions(map: Term<'_>) -> NifResult<Versions> {
    let Some(names) = get::<Vec<Term<'_>>>(map, atoms::versions())? else {
        return Ok(Versions::Default);
    };
    let versions = names
        .into_iter()
        .map(|name| match name.atom_to_string()?.as_str() {
            "tlsv1.3" => Ok(ProtocolVersion::TLSv1_3),
            "tlsv1.2" => Ok(ProtocolVersion::TLSv1_2),
            _ => Err(NifError::BadArg),
        })
        .collect::<NifResult<Vec<_>>>()?;
    Ok(Versions::Exactly(versions))
}
