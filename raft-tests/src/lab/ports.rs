//! Addresses and ports that no other test uses.
//!
//! Real fleets have one port on many addresses, so tests get addresses, not ports: each fleet claims a block of 64
//! loopback addresses in 127.40.0.0/16. A claim is a listener on the block's last address: the kernel gives it to one
//! process only and takes it back when that process ends, however it ends. So parallel tests, parallel checkouts and
//! killed runs need no bookkeeping.

use anyhow::{Context as _, Result, bail};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// First two bytes of every address used here.
const NETWORK: [u8; 2] = [127, 40];
/// Addresses in one block.
const BLOCK_SIZE: u32 = 64;
/// Blocks in the network: 65,536 addresses in blocks of 64.
const BLOCKS: u32 = 1024;
/// Port of the claim; outside the ephemeral range, so that no outgoing connection takes it.
const CLAIM_PORT: u16 = 9099;
/// Servers get the addresses from 1 on, nodes those from here on.
const FIRST_NODE: u32 = 40;
/// How many ports from the wanted one on are tried before giving up.
const PORTS_TRIED: u16 = 50;

/// Makes every fleet of one process start its search at another block.
static SEARCHES: AtomicU32 = AtomicU32::new(0);

/// A claimed block of loopback addresses. Released when dropped.
#[derive(Debug)]
pub struct AddressBlock {
    index: u32,
    next_node: AtomicU32,
    _claim: TcpListener,
}

impl AddressBlock {
    /// Claims a free block, beginning the search at a place derived from the process id.
    ///
    /// # Errors
    /// When all blocks are taken or the loopback range cannot be bound.
    pub fn claim() -> Result<Self> {
        let search = SEARCHES.fetch_add(1, Ordering::Relaxed);
        // 37 has no factor in common with 1024, so neighbouring pids start far from each other.
        let first = std::process::id().wrapping_mul(37).wrapping_add(search);
        let mut last = None;
        for step in 0..BLOCKS {
            let index = first.wrapping_add(step) % BLOCKS;
            match TcpListener::bind(SocketAddrV4::new(
                address_in(index, BLOCK_SIZE - 2),
                CLAIM_PORT,
            )) {
                Ok(claim) => {
                    return Ok(Self {
                        index,
                        next_node: AtomicU32::new(FIRST_NODE),
                        _claim: claim,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.context("there are no blocks")?;
        Err(error).context("no block of loopback addresses in 127.40.0.0/16 could be claimed")
    }

    /// The number of this block; no other process of this machine has it.
    pub(super) fn number(&self) -> u32 {
        self.index
    }

    /// How many addresses come before this block.
    pub(super) fn first_offset(&self) -> u32 {
        self.index * BLOCK_SIZE
    }

    /// The address of the server with this number, counted from 0.
    ///
    /// # Errors
    /// When the number is over what one block holds.
    pub fn server(&self, number: usize) -> Result<Ipv4Addr> {
        let offset = u32::try_from(number)
            .ok()
            .and_then(|number| number.checked_add(1))
            .filter(|offset| *offset < FIRST_NODE);
        match offset {
            Some(offset) => Ok(address_in(self.index, offset)),
            None => bail!(
                "a fleet has at most {} servers; number {number} was asked for",
                FIRST_NODE - 1
            ),
        }
    }

    /// An address for one more orchestrator node, a new one at each call.
    ///
    /// # Errors
    /// When the block's node addresses are used up.
    pub fn next_node(&self) -> Result<Ipv4Addr> {
        let offset = self.next_node.fetch_add(1, Ordering::Relaxed);
        if offset >= BLOCK_SIZE - 2 {
            bail!("all node addresses of this fleet are used");
        }
        Ok(address_in(self.index, offset))
    }
}

/// The address at `offset` of block `index`.
fn address_in(index: u32, offset: u32) -> Ipv4Addr {
    let [high, low] = u16::try_from(index * BLOCK_SIZE + offset)
        .expect("1024 blocks of 64 addresses fit in 16 bits")
        .to_be_bytes();
    Ipv4Addr::new(NETWORK[0], NETWORK[1], high, low)
}

/// The first port from `wanted` on that can be listened on at every one of `addresses`.
///
/// The wanted port is nearly always free, because the addresses are; a service of the machine that listens on all
/// addresses is what moves it.
///
/// # Errors
/// When none of the next 50 ports is free everywhere.
pub fn free_port(addresses: &[Ipv4Addr], wanted: u16) -> Result<u16> {
    (wanted..wanted.saturating_add(PORTS_TRIED))
        .find(|port| {
            addresses
                .iter()
                .all(|address| TcpListener::bind(SocketAddrV4::new(*address, *port)).is_ok())
        })
        .with_context(|| {
            format!(
                "no port from {wanted} on is free on all of {addresses:?}; end what listens there"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_never_share_an_address() {
        let one = AddressBlock::claim().unwrap();
        let two = AddressBlock::claim().unwrap();
        assert_ne!(one.server(0).unwrap(), two.server(0).unwrap());
        assert_ne!(one.index, two.index);
    }

    #[test]
    fn servers_and_nodes_of_a_block_are_different_addresses() {
        let block = AddressBlock::claim().unwrap();
        let server = block.server(38).unwrap();
        let node = block.next_node().unwrap();
        let second = block.next_node().unwrap();
        assert!(server < node && node < second, "{server} {node} {second}");
        assert!(server.is_loopback() && second.is_loopback());
        assert!(
            block.server(39).is_err(),
            "the first node address is no server address"
        );
    }

    #[test]
    fn a_taken_port_moves_the_whole_fleet_to_the_next() {
        let block = AddressBlock::claim().unwrap();
        let addresses = [block.server(0).unwrap(), block.server(1).unwrap()];
        let first = free_port(&addresses, 3306).unwrap();
        let _taken = TcpListener::bind(SocketAddrV4::new(addresses[1], first)).unwrap();
        assert_eq!(free_port(&addresses, first).unwrap(), first + 1);
    }
}
