//! rumqttc's own examples, sealed, one module each: what differs from the original stands in
//! `README.md` beside this file. ported NAME STORE KEYFILE HOST PORT
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::redundant_clone,
    clippy::single_match,
    clippy::uninlined_format_args,
    reason = "rumqttc's text, as far as possible"
)]

#[rustfmt::skip]
mod asyncpubsub;
#[rustfmt::skip]
mod asyncpubsub_v5;
mod device;
mod plain {
    pub mod shared;
}
mod shared;
#[rustfmt::skip]
mod subscription_ids;
#[rustfmt::skip]
mod syncpubsub;
#[rustfmt::skip]
mod syncpubsub_v5;
#[rustfmt::skip]
mod syncrecv;
#[rustfmt::skip]
mod syncrecv_v5;
#[rustfmt::skip]
mod tls;
#[rustfmt::skip]
mod tls2;
#[rustfmt::skip]
mod topic_alias;
#[cfg(feature = "websocket")]
#[rustfmt::skip]
mod websocket;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match device::name().as_str() {
        "syncpubsub" => syncpubsub::main(),
        "syncpubsub_v5" => syncpubsub_v5::main(),
        "syncrecv" => syncrecv::main(),
        "syncrecv_v5" => syncrecv_v5::main(),
        "asyncpubsub" => asyncpubsub::main()?,
        "asyncpubsub_v5" => asyncpubsub_v5::main()?,
        "plain/shared" => plain::shared::main()?,
        "shared" => shared::main()?,
        "subscription_ids" => subscription_ids::main()?,
        "tls" => tls::main()?,
        "tls2" => tls2::main()?,
        "topic_alias" => topic_alias::main()?,
        #[cfg(feature = "websocket")]
        "websocket" => websocket::main()?,
        _ => return Err("usage: ported NAME STORE KEYFILE HOST PORT".into()),
    }
    Ok(())
}
