//! Debugging with gdb.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

use super::{CheckpointArgs, RunArgs};

/// `relsim run`.
#[derive(Debug, Default, Args)]
pub struct DebuggedRunArgs {
    /// What to run.
    #[command(flatten)]
    pub run: RunArgs,

    /// Where to begin, and what to keep.
    #[command(flatten)]
    pub checkpoint: CheckpointArgs,

    /// How to debug it.
    #[command(flatten)]
    pub gdb: GdbArgs,
}

/// What gdb needs.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Debugging")]
pub struct GdbArgs {
    /// Wait for gdb (`target remote ADDR`) before the first instruction, and let it debug the guest. ADDR is IP:PORT, or a
    /// PORT of this host alone; port 0 takes a free one, which is printed. Whoever reaches it can read the guest's memory.
    /// After `detach` the guest runs on, after `kill` relsim ends [default: 127.0.0.1:1234]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:1234")]
    #[arg(value_parser = parse_address, conflicts_with_all = ["commit_log", "trace"])]
    pub gdb: Option<SocketAddr>,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| "IP:PORT or PORT is wanted; an IMAGE comes before --gdb without ADDR".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_loopback_unless_told_otherwise() {
        assert_eq!(parse_address("77"), Ok("127.0.0.1:77".parse().unwrap()));
        assert_eq!(parse_address(":0"), Ok("127.0.0.1:0".parse().unwrap()));
        assert_eq!(parse_address("0.0.0.0:77"), Ok("0.0.0.0:77".parse().unwrap()));
        assert_eq!(parse_address("[::1]:77"), Ok("[::1]:77".parse().unwrap()));
        assert!(parse_address("99999").is_err() && parse_address("kernel.elf").is_err());
    }
}
