//! Handing a `Vec<u8>` to Erlang as a binary without copying it: the binary keeps the vector alive.

use rustler::{Binary, Env, Resource, ResourceArc};

pub struct Bytes(Vec<u8>);

#[rustler::resource_impl]
impl Resource for Bytes {}

/// Makes a binary of `bytes`.
pub fn into_binary<'a>(env: Env<'a>, bytes: Vec<u8>) -> Binary<'a> {
    ResourceArc::new(Bytes(bytes)).make_binary(env, |bytes| &bytes.0)
}
