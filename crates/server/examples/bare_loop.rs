//! The least a server can do: read, answer each request with the same bytes, write. No parsing, no data.
//!
//! What it costs is what sockets cost on this machine, the ceiling for any server with one system call each way.
//! `cargo run --release -p narf-server --example bare_loop -- 7300 64` answers every GET with 64 bytes; point
//! `redis-benchmark` at it and compare its CPU time per request with that of a real server.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (port, size) = (args.next().unwrap_or(7300) as u16, args.next().unwrap_or(64));
    let answer = format!("${size}\r\n{}\r\n", "x".repeat(size)).into_bytes();
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
    println!("answering every request on port {port} with {size} bytes");
    let (mut events, mut clients) = (Events::with_capacity(1024), Vec::<Option<TcpStream>>::new());
    let (mut input, mut output) = (vec![0; 64 * 1024], Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == Token(0) {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(clients.len() + 1);
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    clients.push(Some(stream));
                }
                continue;
            }
            let slot = &mut clients[event.token().0 - 1];
            let Some(stream) = slot else { continue };
            match stream.read(&mut input) {
                Ok(0) | Err(_) => *slot = None,
                Ok(count) => {
                    // Requests are arrays: each begins with a star, and no key or value of the benchmark holds one.
                    let requests = input[..count].iter().filter(|&&byte| byte == b'*').count();
                    output.clear();
                    (0..requests).for_each(|_| output.extend_from_slice(&answer));
                    if stream.write_all(&output).is_err() {
                        *slot = None;
                    }
                }
            }
        }
    }
}
