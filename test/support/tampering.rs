//! One direction of a link in the hands of somebody who cuts, flips, repeats, swaps, drops and adds, and what has to come of it:
//! what was sealed is opened up to the first record that is another one, and nothing of what lies behind.

use rustls::{AlertDescription, ContentType, ProtocolVersion};
use rustls_dist::error::RecordError;
use rustls_dist::record::{Event, MAX_PLAINTEXT_BYTES, RecordRx, RecordTx};

use super::wire::records;

/// What the sender does.
#[derive(Debug, Clone)]
pub enum Sent {
    /// Seals packets of these lengths in one call, as chunks that end at `cuts`, modulo the bytes there are.
    Packets { lengths_bytes: Vec<usize>, cuts: Vec<usize> },
    /// Renews its keys, where the version can.
    KeyUpdate,
    /// Ends the direction.
    CloseNotify,
}

/// What is done to the records on their way. All numbers are modulo what there is.
#[derive(Debug, Clone)]
pub enum Harm {
    /// A bit of the stream is another.
    Flip { bit: usize },
    /// The stream ends here.
    Truncate { byte: usize },
    /// A record comes again, before another.
    Repeat { record: usize, before: usize },
    /// Two records change places.
    Swap { one: usize, other: usize },
    /// A record is lost.
    Drop { record: usize },
    /// Something comes in between.
    Insert { byte: usize, bytes: Vec<u8> },
}

/// A record as it was sealed.
struct Sealed {
    record: Vec<u8>,
    plaintext: Vec<u8>,
    closes: bool,
}

/// What a receiver owes to bytes that arrived.
struct Due {
    packets: Vec<Vec<u8>>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    /// More may come.
    Waits,
    /// close_notify came.
    Closed,
    /// There is something that the sender did not seal.
    Refused(RecordError, AlertDescription),
}

/// Has `tx` do all that is in `sent`, does all `harms` to it, and gives it to `rx` in pieces of so many bytes (what is left of the
/// stream is the last one), up to `max_packets` of which are taken at once.
///
/// # Panics
/// When `rx` opens too little or too much, or refuses for a wrong reason.
pub fn play(
    (tx, rx): (&mut RecordTx, &mut RecordRx),
    version: ProtocolVersion,
    sent: &[Sent],
    harms: &[Harm],
    pieces_bytes: &[usize],
    max_packets: usize,
) {
    let sealed = seal(tx, version, sent);
    let mut records: Vec<_> = sealed.iter().map(|sealed| sealed.record.clone()).collect();
    for harm in harms {
        do_harm(&mut records, harm);
    }
    let stream = records.concat();
    let mut got = Vec::new();
    let mut arrived = 0;
    let mut before = due(&sealed, &[], version);
    for piece_bytes in pieces_bytes.iter().copied().chain([usize::MAX]) {
        let piece = &stream[arrived..][..piece_bytes.min(stream.len() - arrived)];
        arrived += piece.len();
        let now = due(&sealed, &stream[..arrived], version);
        let outcome = open(rx, piece, max_packets, &mut got);
        judge(&before, &now, &outcome, &got);
        before = now;
    }
}

fn seal(tx: &mut RecordTx, version: ProtocolVersion, sent: &[Sent]) -> Vec<Sealed> {
    let mut sealed = Vec::new();
    for (number, sent) in sent.iter().enumerate() {
        match sent {
            Sent::Packets { lengths_bytes, cuts } => {
                let plaintext: Vec<u8> =
                    lengths_bytes.iter().flat_map(|bytes| packet(number, *bytes)).collect();
                let records = records(&tx.seal(&chunks(&plaintext, cuts)).unwrap());
                let parts: Vec<_> = plaintext.chunks(MAX_PLAINTEXT_BYTES).collect();
                assert_eq!(records.len(), parts.len(), "as few records as possible");
                sealed.extend(records.into_iter().zip(parts).map(|(record, part)| Sealed {
                    record,
                    plaintext: part.to_vec(),
                    closes: false,
                }));
            }
            Sent::KeyUpdate if version == ProtocolVersion::TLSv1_3 => {
                let record = tx.update_keys().unwrap();
                sealed.push(Sealed { record, plaintext: Vec::new(), closes: false });
            }
            Sent::KeyUpdate => {}
            Sent::CloseNotify => {
                let record = tx.close_notify().unwrap();
                sealed.push(Sealed { record, plaintext: Vec::new(), closes: true });
                break;
            }
        }
    }
    sealed
}

/// A packet that tells by its content which one it is.
fn packet(number: usize, bytes: usize) -> Vec<u8> {
    let content = (0..bytes).map(|index| (index % 251 + 7 * number) as u8);
    u32::try_from(bytes).unwrap().to_be_bytes().into_iter().chain(content).collect()
}

fn chunks<'a>(plaintext: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (plaintext.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(plaintext.len());
    let mut start = 0;
    ends.into_iter().map(|end| &plaintext[std::mem::replace(&mut start, end)..end]).collect()
}

fn do_harm(records: &mut Vec<Vec<u8>>, harm: &Harm) {
    let (count, bytes) = (records.len(), records.iter().map(Vec::len).sum::<usize>());
    if bytes == 0 {
        return;
    }
    match harm {
        Harm::Flip { bit } => {
            let (record, at) = place(records, bit / 8 % bytes);
            records[record][at] ^= 1 << (bit % 8);
        }
        Harm::Truncate { byte } => {
            let (record, at) = place(records, byte % bytes);
            records.truncate(record + 1);
            records[record].truncate(at);
        }
        Harm::Repeat { record, before } => {
            records.insert(before % (count + 1), records[record % count].clone())
        }
        Harm::Swap { one, other } => records.swap(one % count, other % count),
        Harm::Drop { record } => {
            records.remove(record % count);
        }
        Harm::Insert { byte, bytes: added } => {
            let (record, at) = place(records, byte % bytes);
            records[record].splice(at..at, added.iter().copied());
        }
    }
}

/// The record in which a byte of the stream lies, and where in it.
fn place(records: &[Vec<u8>], mut byte: usize) -> (usize, usize) {
    for (number, record) in records.iter().enumerate() {
        match byte.checked_sub(record.len()) {
            Some(behind) => byte = behind,
            None => return (number, byte),
        }
    }
    unreachable!("there are fewer bytes")
}

fn due(sealed: &[Sealed], arrived: &[u8], version: ProtocolVersion) -> Due {
    let mut rest = arrived;
    let mut plaintext = Vec::new();
    for sealed in sealed {
        let Some(behind) = rest.strip_prefix(&sealed.record[..]) else {
            break;
        };
        plaintext.extend_from_slice(&sealed.plaintext);
        rest = behind;
        if sealed.closes {
            return Due { packets: packets(&plaintext), end: End::Closed };
        }
    }
    Due { packets: packets(&plaintext), end: refusal(rest, version) }
}

/// What is to be said of a record that is not the sender's, as far as it is there (RFC 8446 sections 5.1 and 5.2, RFC 5246
/// section 6.2): its header is judged as soon as it is complete.
fn refusal(rest: &[u8], version: ProtocolVersion) -> End {
    let [typ, major, minor, hi, lo, payload @ ..] = rest else {
        return End::Waits;
    };
    let (allowed, expansion_bytes) = match version {
        ProtocolVersion::TLSv1_3 => (&[23][..], 256),
        _ => (&[21, 22, 23][..], 2048),
    };
    let length_bytes = usize::from(u16::from_be_bytes([*hi, *lo]));
    if !allowed.contains(typ) {
        let error = RecordError::UnexpectedRecord(ContentType::from(*typ));
        return End::Refused(error, AlertDescription::UnexpectedMessage);
    }
    if [*major, *minor] != [3, 3] {
        return End::Refused(RecordError::BadRecord, AlertDescription::BadRecordMac);
    }
    if length_bytes > MAX_PLAINTEXT_BYTES + expansion_bytes {
        return End::Refused(RecordError::RecordTooLong { length_bytes }, AlertDescription::RecordOverflow);
    }
    match payload.len() >= length_bytes {
        true => End::Refused(RecordError::BadRecord, AlertDescription::BadRecordMac),
        false => End::Waits,
    }
}

fn packets(mut plaintext: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some((length, rest)) = plaintext.split_first_chunk() {
        let Some((content, behind)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else {
            break;
        };
        packets.push(content.to_vec());
        plaintext = behind;
    }
    packets
}

/// Opens all of `piece`, and adds the packets to `got`. Answers whether close_notify came.
fn open(
    rx: &mut RecordRx,
    piece: &[u8],
    max_packets: usize,
    got: &mut Vec<Vec<u8>>,
) -> Result<bool, RecordError> {
    let mut rest = piece;
    loop {
        let opened = rx.open(rest, max_packets)?;
        let taken = &opened.taken;
        got.extend(
            taken.packets.iter().map(|packet| taken.buffers[packet.buffer][packet.content.clone()].to_vec()),
        );
        if opened.events.contains(&Event::CloseNotify) {
            return Ok(true);
        }
        rest = match opened.unopened_at {
            Some(at) => &rest[at..],
            None if taken.packets.len() == max_packets => &[],
            None => return Ok(false),
        };
    }
}

fn judge(before: &Due, now: &Due, outcome: &Result<bool, RecordError>, got: &[Vec<u8>]) {
    assert!(now.packets.starts_with(got), "what was opened is what was sealed, up to the first harm");
    if before.end != End::Waits {
        assert_eq!(outcome, &Err(RecordError::Closed), "nothing is opened behind the end");
        return;
    }
    match &now.end {
        End::Waits => assert_eq!(outcome, &Ok(false)),
        End::Closed => assert_eq!(outcome, &Ok(true)),
        End::Refused(error, alert) => {
            assert_eq!(outcome, &Err(error.clone()));
            assert_eq!(error.alert(), Some(*alert), "{error:?}");
            assert!(
                got.len() >= before.packets.len(),
                "only packets of the call that fails are lost with it"
            );
            return;
        }
    }
    assert_eq!(got.len(), now.packets.len(), "all that is complete was opened");
}
