//! Groups of the key exchange: which of the provider's are offered, in what order, and one that a provider may lack.

#[cfg(not(feature = "aws_lc_rs"))]
pub(crate) mod hybrid;

use rustls::crypto::SupportedKxGroup;
use rustls::{NamedGroup, ProtocolVersion, SupportedProtocolVersion};

/// Which groups a side offers and takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// OTP's `supported_groups`: these, in this order; `None`: the provider's.
    pub in_order: Option<Vec<NamedGroup>>,
    /// OTP's `eccs`: those that TLS 1.2 may use, in the order of preference where there is no TLS 1.3; `None`: all.
    pub for_tls12: Option<Vec<NamedGroup>>,
}

impl Groups {
    /// The groups that handshakes are made with. `preferred` are the provider's by default, `find` gives any that it has.
    ///
    /// A client names one list of groups for all versions (RFC 8446 section 4.2.7), and a server that speaks TLS 1.2 alone may
    /// take any of them that it knows: what TLS 1.2 may not use is left out of it, unless it is for TLS 1.3 alone anyway.
    pub(crate) fn of(
        &self,
        preferred: &[&'static dyn SupportedKxGroup],
        find: fn(NamedGroup) -> Option<&'static dyn SupportedKxGroup>,
        versions: &[&SupportedProtocolVersion],
    ) -> Vec<&'static dyn SupportedKxGroup> {
        let has = |version: ProtocolVersion| versions.iter().any(|offered| offered.version == version);
        let listed = |names: &[NamedGroup]| -> Vec<&'static dyn SupportedKxGroup> {
            names.iter().copied().filter_map(find).collect()
        };
        let in_order = self.in_order.as_deref().map_or_else(|| preferred.to_vec(), listed);
        match &self.for_tls12 {
            Some(names) if has(ProtocolVersion::TLSv1_2) => match has(ProtocolVersion::TLSv1_3) {
                false => listed(names),
                true => in_order
                    .into_iter()
                    .filter(|group| {
                        names.contains(&group.name()) || !group.usable_for_version(ProtocolVersion::TLSv1_2)
                    })
                    .collect(),
            },
            _ => in_order,
        }
    }

    /// The option to blame where no group is left.
    pub(crate) fn option(&self) -> &'static str {
        match self.for_tls12 {
            Some(_) => "eccs",
            None => "supported_groups",
        }
    }
}

/// Whether one of the groups can be used in `version`.
pub(crate) fn serve(groups: &[&'static dyn SupportedKxGroup], version: ProtocolVersion) -> bool {
    groups.iter().any(|group| group.usable_for_version(version))
}
