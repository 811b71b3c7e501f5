//! Names of the groups of the key exchange: OTP's, which are IANA's in lower case.

use rustls::NamedGroup;

use crate::error::ConfigError;
use crate::provider;

/// Every group that has a name here and its number. Whether it is offered is the provider's matter.
static GROUPS: [(&str, NamedGroup); 16] = [
    ("x25519mlkem768", NamedGroup::X25519MLKEM768),
    ("x25519", NamedGroup::X25519),
    ("secp256r1", NamedGroup::secp256r1),
    ("secp384r1", NamedGroup::secp384r1),
    ("secp256r1mlkem768", NamedGroup::secp256r1MLKEM768),
    ("secp384r1mlkem1024", NamedGroup::Unknown(0x11ed)),
    ("mlkem512", NamedGroup::MLKEM512),
    ("mlkem768", NamedGroup::MLKEM768),
    ("mlkem1024", NamedGroup::MLKEM1024),
    ("secp521r1", NamedGroup::secp521r1),
    ("x448", NamedGroup::X448),
    ("ffdhe2048", NamedGroup::FFDHE2048),
    ("ffdhe3072", NamedGroup::FFDHE3072),
    ("ffdhe4096", NamedGroup::FFDHE4096),
    ("ffdhe6144", NamedGroup::FFDHE6144),
    ("ffdhe8192", NamedGroup::FFDHE8192),
];

/// What the names of curves begin with that `ssl` knows besides (`ssl:eccs/0`) and no provider has.
const OTHER_CURVES: [&str; 3] = ["secp", "sect", "brainpoolp"];

/// Looks up the groups that `names` name in `option`; case and surrounding space do not matter, and neither does a name that is
/// there again.
///
/// # Errors
/// [`ConfigError::UnusableGroups`] with all names of groups that the provider lacks, or that are none.
pub fn parse_all(option: &'static str, names: &[String]) -> Result<Vec<NamedGroup>, ConfigError> {
    let (mut groups, mut unsupported, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let name = name.trim();
        let group = GROUPS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match group.filter(|(_, group)| provider::group(*group).is_some()) {
            Some((_, group)) if !groups.contains(group) => groups.push(*group),
            Some(_) => {}
            None if group.is_some() || is_other_curve(name) => unsupported.push(name.to_owned()),
            None => unknown.push(name.to_owned()),
        }
    }
    match unsupported.is_empty() && unknown.is_empty() {
        true => Ok(groups),
        false => Err(ConfigError::UnusableGroups { option, unsupported, unknown, usable: usable() }),
    }
}

/// The name that OTP has for a group, and IANA's in lower case for those that have none here.
pub fn otp_name(group: NamedGroup) -> Option<String> {
    match GROUPS.iter().find(|(_, known)| *known == group) {
        Some((name, _)) => Some((*name).to_owned()),
        None => group.as_str().map(str::to_lowercase),
    }
}

fn usable() -> Vec<&'static str> {
    GROUPS.iter().filter(|(_, group)| provider::group(*group).is_some()).map(|(name, _)| *name).collect()
}

fn is_other_curve(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OTHER_CURVES.iter().any(|beginning| {
        name.strip_prefix(beginning)
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    })
}
