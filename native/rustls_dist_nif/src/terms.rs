//! Errors and certificate facts as Erlang maps.

use rustler::{Atom, Encoder, Env, NifResult, Term};
use rustls::AlertDescription;
use rustls_dist::certificate::CertificateFacts;
use rustls_dist::error::{Error, HandshakeError, KINDS, alert_name};

use crate::atoms;

/// `#{kind, option, text, alert, received}`: a tag to match on, the option to blame or `none`, a sentence for people, and
/// the alert that the peer is owed and gets, `alert`, and the one that it sent, as `{Code, Name}` or `none`.
pub fn error_map<'a>(env: Env<'a>, error: &Error, alert: Option<AlertDescription>) -> NifResult<Term<'a>> {
    let option = match error.option() {
        Some(option) => Atom::from_str(env, option)?,
        None => atoms::none(),
    };
    let alert = match alert {
        Some(description) => alert_term(env, description)?,
        None => atoms::none().encode(env),
    };
    let received = match error {
        Error::Handshake(HandshakeError::AlertReceived(description)) => alert_term(env, *description)?,
        _ => atoms::none().encode(env),
    };
    Term::map_from_pairs(
        env,
        &[
            (atoms::kind(), Atom::from_str(env, error.kind())?.encode(env)),
            (atoms::option(), option.encode(env)),
            (atoms::text(), error.text().encode(env)),
            (atoms::alert(), alert),
            (atoms::received(), received),
        ],
    )
}

/// `{error, ErrorMap}`.
pub fn error_tuple(env: Env<'_>, error: impl Into<Error>) -> NifResult<Term<'_>> {
    let error = error.into();
    Ok((atoms::error(), error_map(env, &error, error.alert())?).encode(env))
}

/// The kinds that an error map may have.
#[rustler::nif]
fn error_kinds(env: Env<'_>) -> NifResult<Vec<Atom>> {
    KINDS.iter().map(|kind| Atom::from_str(env, kind)).collect()
}

/// `{Code, Name}`.
pub fn alert_term(env: Env<'_>, description: AlertDescription) -> NifResult<Term<'_>> {
    let name = Atom::from_str(env, alert_name(description))?;
    Ok((u8::from(description), name).encode(env))
}

/// What a certificate says, for people and logs; `none` for one that cannot be parsed.
pub fn certificate_map<'a>(env: Env<'a>, der: &[u8]) -> NifResult<Term<'a>> {
    let Ok(facts) = CertificateFacts::from_der(der) else {
        return Ok(atoms::none().encode(env));
    };
    let addresses: Vec<String> = facts.ip_addresses.iter().map(ToString::to_string).collect();
    Term::map_from_term_arrays(
        env,
        &[
            atoms::subject().encode(env),
            atoms::serial().encode(env),
            atoms::issuer().encode(env),
            atoms::dns_names().encode(env),
            atoms::ip_addresses().encode(env),
            atoms::uris().encode(env),
            atoms::common_names().encode(env),
            atoms::usages().encode(env),
            atoms::not_before().encode(env),
            atoms::not_after().encode(env),
        ],
        &[
            facts.subject.encode(env),
            facts.serial.encode(env),
            facts.issuer.encode(env),
            facts.dns_names.encode(env),
            addresses.encode(env),
            facts.uris.encode(env),
            facts.host_common_names().encode(env),
            usages(&facts).encode(env),
            facts.not_before_unix_s.encode(env),
            facts.not_after_unix_s.encode(env),
        ],
    )
}

/// What a certificate allows the node that holds it to do.
fn usages(facts: &CertificateFacts) -> Vec<Atom> {
    let usages = &facts.usages;
    [
        (usages.digital_signature, atoms::digital_signature()),
        (usages.server_auth, atoms::server_auth()),
        (usages.client_auth, atoms::client_auth()),
    ]
    .into_iter()
    .filter_map(|(allowed, usage)| allowed.then_some(usage))
    .collect()
}
