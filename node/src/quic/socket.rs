//! The UDP socket of a port, with room for packets that come all at once.
//!
//! All connections of a port share one socket. What finds no room in it is lost, and its sender learns so only when no
//! acknowledgement comes: some hundred milliseconds for a question that took three. The kernel's default of 208 KiB holds
//! less than two hundred packets, since each is counted with what the kernel keeps beside it.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use quinn::udp::UdpSocketState;

/// A socket at `address` that holds `room_bytes` of packets not read yet, if the kernel grants that many, and how many it
/// grants.
///
/// Sending needs no more room than the default: a port whose socket is full waits, and loses nothing.
///
/// # Errors
/// When the address is taken, or the socket cannot be set up.
pub(super) fn bind(address: SocketAddr, room_bytes: usize) -> io::Result<(UdpSocket, usize)> {
    let socket = UdpSocket::bind(address)?;
    let state = UdpSocketState::new((&socket).into())?;
    // Linux grants what `net.core.rmem_max` allows and calls that a success; where it is an error, the default stays.
    let _ = state.set_recv_buffer_size((&socket).into(), room_bytes);
    let told = state.recv_buffer_size((&socket).into())?;
    // socket(7): the kernel doubles the value, for its own bookkeeping, and returns it doubled.
    let granted = if cfg!(target_os = "linux") { told / 2 } else { told };
    Ok((socket, granted))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_port_has_the_room_that_the_kernel_allows() {
        let wanted = 3 << 20;
        let (_socket, granted) = bind("127.0.0.1:0".parse().unwrap(), wanted).unwrap();
        let allowed = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
        assert_eq!(granted, wanted.min(allowed));
    }

    #[test]
    fn packets_that_come_all_at_once_find_room() {
        const PACKETS: usize = 1_000;
        let (socket, granted) = bind("127.0.0.1:0".parse().unwrap(), 4 << 20).unwrap();
        // A kernel that allows less loses some of them, whatever is asked for.
        let holds = if granted >= 4 << 20 { PACKETS } else { 1 };
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..PACKETS {
            sender.send_to(&[7; 1_200], socket.local_addr().unwrap()).unwrap();
        }
        let mut packet = [0; 1_500];
        let arrived = std::iter::from_fn(|| socket.recv(&mut packet).ok()).take(PACKETS).count();
        assert!(arrived >= holds, "{arrived} of {PACKETS}");
    }
}
