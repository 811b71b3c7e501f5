//! Copies of certificates in which single fields are mended.
//!
//! webpki looks at a whole certificate and stops at the first fault of it. A copy without that fault lets it come to the
//! next. What is changed in a copy is put together anew; all else is taken over byte by byte.

use std::borrow::Cow;

use pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::der::{self, Decode, Encode, Header, Reader, SliceReader, Tag, TagNumber};

use crate::error::BadEncoding;

/// RFC 5280 section 4.2.1.6.
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// RFC 5280 section 4.2.1.9.
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// RFC 5280 section 4.2.1.10.
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
/// RFC 5280 section 4.2.1.12.
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

/// Tags of `version [0]` and `extensions [3]` (RFC 5280 section 4.1).
const VERSION_TAG: u8 = 0xa0;
const EXTENSIONS_TAG: u8 = 0xa3;

/// The version 3, and a validity from 1970 to 9999 (RFC 5280 sections 4.1.2.1 and 4.1.2.5).
const VERSION_3: &[u8] = &[VERSION_TAG, 3, 2, 1, 2];
const ALWAYS: &[u8] = b"\x30\x20\x17\x0d700101000000Z\x18\x0f99991231235959Z";

/// The value of basicConstraints, an octet string, for an authority without pathLenConstraint.
const IS_AUTHORITY: &[u8] = &[4, 5, 0x30, 3, 1, 1, 0xff];

/// The same with a pathLenConstraint, but for its last byte, which is the limit where that is less than 128.
const IS_LIMITED_AUTHORITY: &[u8] = &[4, 8, 0x30, 6, 1, 1, 0xff, 2, 1];
const MOST_IN_ONE_BYTE: u8 = 0x7f;

/// A certificate in its fields, each with tag and length.
pub(super) struct Copy<'a> {
    /// What was signed.
    pub(super) original: &'a [u8],
    version: Option<&'a [u8]>,
    serial: &'a [u8],
    algorithm: Cow<'a, [u8]>,
    issuer: Cow<'a, [u8]>,
    validity: &'a [u8],
    subject: Cow<'a, [u8]>,
    key: Cow<'a, [u8]>,
    unique_ids: Vec<&'a [u8]>,
    extensions: Option<Vec<Extension<'a>>>,
    outer_algorithm: Cow<'a, [u8]>,
    signature: &'a [u8],
}

struct Extension<'a> {
    id: ObjectIdentifier,
    bytes: Cow<'a, [u8]>,
}

/// A copy that is put together.
pub(super) struct Encoded {
    /// The certificate.
    pub(super) certificate: Vec<u8>,
    /// What a signature in it would have to be of.
    pub(super) to_be_signed: Vec<u8>,
}

impl<'a> Copy<'a> {
    /// Takes a certificate apart.
    ///
    /// # Errors
    /// A bad encoding.
    pub(super) fn of(certificate: &'a [u8]) -> Result<Self, BadEncoding> {
        Self::parse(certificate).map_err(bad_encoding)
    }

    fn parse(certificate: &'a [u8]) -> der::Result<Self> {
        let [tbs, outer_algorithm, signature] = elements(certificate)?[..] else {
            return Err(Tag::Sequence.value_error());
        };
        let fields = elements(tbs)?;
        let (version, fields) = match fields.split_first() {
            Some((version, rest)) if version.first() == Some(&VERSION_TAG) => (Some(*version), rest),
            _ => (None, &fields[..]),
        };
        let [serial, algorithm, issuer, validity, subject, key, rest @ ..] = fields else {
            return Err(Tag::Sequence.value_error());
        };
        let (extensions, unique_ids): (Vec<_>, Vec<_>) =
            rest.iter().partition(|field| field.first() == Some(&EXTENSIONS_TAG));
        Ok(Self {
            original: tbs,
            version,
            serial,
            algorithm: Cow::from(*algorithm),
            issuer: Cow::from(*issuer),
            validity,
            subject: Cow::from(*subject),
            key: Cow::from(*key),
            unique_ids,
            extensions: extensions.first().map(|list| Extension::list(list)).transpose()?,
            outer_algorithm: Cow::from(outer_algorithm),
            signature,
        })
    }

    /// The subject's name, with tag and length.
    pub(super) fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The issuer's name, with tag and length.
    pub(super) fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Whether subject and issuer are the same bytes.
    pub(super) fn is_self_issued(&self) -> bool {
        *self.issuer == *self.subject
    }

    /// The algorithm of its signature, and whether both places that name it agree.
    pub(super) fn algorithm(&self) -> Result<(&[u8], bool), BadEncoding> {
        let algorithm = value(&self.outer_algorithm).map_err(bad_encoding)?;
        Ok((algorithm, self.algorithm == self.outer_algorithm))
    }

    /// The kind of its key.
    pub(super) fn key_algorithm(&self) -> Result<&[u8], BadEncoding> {
        let [algorithm, _key] = elements(&self.key).map_err(bad_encoding)?[..] else {
            return Err(BadEncoding);
        };
        value(algorithm).map_err(bad_encoding)
    }

    /// Makes it valid at all times.
    pub(super) fn always_valid(&mut self) {
        self.validity = ALWAYS;
    }

    /// Makes it good for every purpose.
    pub(super) fn any_purpose(&mut self) {
        self.remove(EXTENDED_KEY_USAGE);
    }

    /// Makes it constrain no names.
    pub(super) fn any_names(&mut self) {
        self.remove(NAME_CONSTRAINTS);
    }

    /// Takes its alternative names off it. A certificate with two lists of them stays as it is.
    pub(super) fn no_alternative_names(&mut self) {
        if self.has_one(SUBJECT_ALT_NAME) {
            self.remove(SUBJECT_ALT_NAME);
        }
    }

    /// Makes it one that allows `more` authorities below it than it says. One that says it in an odd way stays as it is.
    ///
    /// # Errors
    /// A bad encoding.
    pub(super) fn allow_more_below(&mut self, more: u8) -> Result<(), BadEncoding> {
        if more > 0 && self.has_one(BASIC_CONSTRAINTS) {
            for extension in self.extensions.iter_mut().flatten() {
                if extension.id == BASIC_CONSTRAINTS {
                    extension.raise_limit(more).map_err(bad_encoding)?;
                }
            }
        }
        Ok(())
    }

    /// Makes it none of an authority.
    pub(super) fn no_authority(&mut self) {
        self.remove(BASIC_CONSTRAINTS);
    }

    /// Makes it one of an authority that any number of others may follow.
    ///
    /// # Errors
    /// None that a constant could lead to.
    pub(super) fn authority(&mut self) -> Result<(), BadEncoding> {
        let id = BASIC_CONSTRAINTS.to_der().map_err(bad_encoding)?;
        let bytes = sequence(&[&id, IS_AUTHORITY]).map_err(bad_encoding)?;
        self.remove(BASIC_CONSTRAINTS);
        let extension = Extension { id: BASIC_CONSTRAINTS, bytes: bytes.into() };
        self.extensions.get_or_insert_default().push(extension);
        Ok(())
    }

    /// Takes the limit of authorities that may follow off it, if it is one of an authority.
    ///
    /// # Errors
    /// A bad encoding.
    pub(super) fn any_path_length(&mut self) -> Result<(), BadEncoding> {
        for extension in self.extensions.iter().flatten() {
            if extension.id == BASIC_CONSTRAINTS && extension.is_authority().map_err(bad_encoding)? {
                return self.authority();
            }
        }
        Ok(())
    }

    /// Makes it one of version 3.
    pub(super) fn version_3(&mut self) {
        self.version = Some(VERSION_3);
    }

    /// Makes the extensions that `is_forgiven` says of their object identifiers uncritical.
    ///
    /// # Errors
    /// A bad encoding.
    pub(super) fn uncritical(&mut self, is_forgiven: impl Fn(&str) -> bool) -> Result<(), BadEncoding> {
        for extension in self.extensions.iter_mut().flatten() {
            if is_forgiven(&extension.id.to_string()) {
                extension.make_uncritical().map_err(bad_encoding)?;
            }
        }
        Ok(())
    }

    /// Names `issuer` (with tag and length) as the one who signed it.
    pub(super) fn issued_by(&mut self, issuer: &[u8]) {
        self.issuer = issuer.to_vec().into();
    }

    /// Calls its owner `subject` (with tag and length).
    pub(super) fn issued_to(&mut self, subject: &[u8]) {
        self.subject = subject.to_vec().into();
    }

    /// Claims to be signed with `algorithm`.
    ///
    /// # Errors
    /// None that a short algorithm could lead to.
    pub(super) fn signed_with(&mut self, algorithm: &[u8]) -> Result<(), BadEncoding> {
        let bytes = sequence(&[algorithm]).map_err(bad_encoding)?;
        self.algorithm = bytes.clone().into();
        self.outer_algorithm = bytes.into();
        Ok(())
    }

    /// Exchanges the key. `key`: the contents of a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// None that a short key could lead to.
    pub(super) fn with_key(&mut self, key: &[u8]) -> Result<(), BadEncoding> {
        self.key = sequence(&[key]).map_err(bad_encoding)?.into();
        Ok(())
    }

    /// Puts it together.
    ///
    /// # Errors
    /// When it has become too long.
    pub(super) fn encode(&self) -> Result<Encoded, BadEncoding> {
        self.put_together().map_err(bad_encoding)
    }

    fn put_together(&self) -> der::Result<Encoded> {
        let mut fields: Vec<&[u8]> = self.version.into_iter().collect();
        fields.extend([self.serial, &self.algorithm, &self.issuer, self.validity, &self.subject, &self.key]);
        fields.extend(&self.unique_ids);
        let extensions = self.extensions.as_ref().map(|list| Extension::encode(list)).transpose()?;
        fields.extend(extensions.as_deref());
        let to_be_signed = sequence(&fields)?;
        let certificate = sequence(&[&to_be_signed, &self.outer_algorithm, self.signature])?;
        Ok(Encoded { certificate, to_be_signed })
    }

    fn has_one(&self, id: ObjectIdentifier) -> bool {
        self.extensions.iter().flatten().filter(|extension| extension.id == id).count() == 1
    }

    fn remove(&mut self, id: ObjectIdentifier) {
        if let Some(extensions) = &mut self.extensions {
            extensions.retain(|extension| extension.id != id);
        }
    }
}

impl<'a> Extension<'a> {
    fn list(field: &'a [u8]) -> der::Result<Vec<Self>> {
        elements(value(field)?)?.into_iter().map(Self::parse).collect()
    }

    fn encode(list: &[Self]) -> der::Result<Vec<u8>> {
        let list = sequence(&list.iter().map(|extension| &*extension.bytes).collect::<Vec<_>>())?;
        let tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N3 };
        tagged(tag, &[&list])
    }

    fn parse(bytes: &'a [u8]) -> der::Result<Self> {
        let first = *elements(bytes)?.first().ok_or_else(|| Tag::Sequence.value_error())?;
        Ok(Self { id: ObjectIdentifier::from_der(first)?, bytes: bytes.into() })
    }

    /// Whether its value, that of basicConstraints, says `cA TRUE`.
    fn is_authority(&self) -> der::Result<bool> {
        let fields = elements(&self.bytes)?;
        let last = *fields.last().ok_or_else(|| Tag::Sequence.value_error())?;
        let constraints = elements(value(last)?)?;
        constraints.first().map_or(Ok(false), |first| Ok(bool::from_der(first).unwrap_or(false)))
    }

    /// Puts a higher limit into basicConstraints that are encoded as they should be.
    fn raise_limit(&mut self, more: u8) -> der::Result<()> {
        let fields = elements(&self.bytes)?;
        if let [before @ .., value] = &fields[..]
            && let Some([limit]) = value.strip_prefix(IS_LIMITED_AUTHORITY)
            && let Some(raised) = limit.checked_add(more).filter(|raised| *raised <= MOST_IN_ONE_BYTE)
        {
            let value = [IS_LIMITED_AUTHORITY, &[raised]].concat();
            self.bytes = sequence(&[before, &[value.as_slice()]].concat())?.into();
        }
        Ok(())
    }

    fn make_uncritical(&mut self) -> der::Result<()> {
        if let [id, critical, value] = elements(&self.bytes)?[..]
            && bool::from_der(critical)?
        {
            self.bytes = sequence(&[id, value])?.into();
        }
        Ok(())
    }
}

/// The contents of one element.
pub(super) fn value(element: &[u8]) -> der::Result<&[u8]> {
    Ok(AnyRef::from_der(element)?.value())
}

/// What lies in a sequence, each element with tag and length.
fn elements(sequence: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(value(sequence)?)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(reader.tlv_bytes()?);
    }
    Ok(elements)
}

fn sequence(elements: &[&[u8]]) -> der::Result<Vec<u8>> {
    tagged(Tag::Sequence, elements)
}

fn tagged(tag: Tag, elements: &[&[u8]]) -> der::Result<Vec<u8>> {
    let length: usize = elements.iter().map(|element| element.len()).sum();
    let mut bytes = Header::new(tag, length)?.to_der()?;
    elements.iter().for_each(|element| bytes.extend_from_slice(element));
    Ok(bytes)
}

fn bad_encoding(_: der::Error) -> BadEncoding {
    BadEncoding
}
