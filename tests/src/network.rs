//! A network of namespaces, in which the test decides who hears whom.
//!
//! Each place has a namespace, an address and a link to a router in a namespace of its own, where the test is. The router
//! drops silently, by rule, what is to be lost. Nothing has a name: a namespace is there as long as a process that this
//! one started stands in it, which ends when this one does, however that comes to be.
//!
//! Needs `ip`, `unshare` and `nsenter`, and the right to make namespaces; without, there is none, and why.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// See the module.
pub struct Network {
    router: Namespace,
    places: Vec<Namespace>,
}

/// A namespace with a process in it that waits for the end of its input.
struct Namespace(Child);

impl Namespace {
    fn new() -> Result<Namespace, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("unshare cannot be run: {error}"))?;
        let mut namespace = Namespace(child);
        // Its echo says that it is where it is to be.
        let child = &mut namespace.0;
        let (input, output) = (child.stdin.as_mut().unwrap(), child.stdout.as_mut().unwrap());
        let is_there = input.write_all(b"x").is_ok() && output.read_exact(&mut [0]).is_ok();
        if !is_there {
            let mut reason = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut reason).unwrap_or_default();
            return Err(format!("the machine gives no network namespace: {}", reason.trim()));
        }
        Ok(namespace)
    }

    /// One with a link `eth0`, whose other end is `way` and the number of the place at a router.
    fn wired_to(router: &Namespace, place: usize) -> Result<Namespace, String> {
        let namespace = Namespace::new()?;
        let pid = namespace.0.id();
        router.run(&format!("ip link add way{place} type veth peer name eth0 netns {pid}"))?;
        namespace.run("ip link set lo up\nip link set eth0 up")?;
        Ok(namespace)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    /// Runs a few lines of shell in it, up to the first that fails.
    fn run(&self, lines: &str) -> Result<(), String> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).args(["sh", "-ec", lines]);
        let output = command.output().map_err(|error| format!("nsenter cannot be run: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{lines}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Network {
    /// So many places, all of which hear each other.
    pub fn of(count: usize) -> Result<Network, String> {
        let router = Namespace::new()?;
        router.run("ip link set lo up\necho 1 > /proc/sys/net/ipv4/ip_forward")?;
        let mut places = Vec::new();
        for place in 0..count {
            let namespace = Namespace::wired_to(&router, place)?;
            let (here, there) = (address_of_router(place), address_of_place(place));
            router.run(&format!("ip address add {here}/24 dev way{place}\nip link set way{place} up"))?;
            namespace.run(&format!("ip address add {there}/24 dev eth0\nip route add default via {here}"))?;
            places.push(namespace);
        }
        Ok(Network { router, places })
    }

    /// So many places with a switch for a router, as in one room: what is said to all reaches all. They have no addresses
    /// before [`Network::move_to`].
    pub fn switched(count: usize) -> Result<Network, String> {
        let router = Namespace::new()?;
        router.run("ip link add br0 type bridge\nip link set br0 up")?;
        let mut places = Vec::new();
        for place in 0..count {
            places.push(Namespace::wired_to(&router, place)?);
            router.run(&format!("ip link set way{place} master br0 up"))?;
        }
        Ok(Network { router, places })
    }

    /// Gives a place at a switch another address.
    pub fn move_to(&self, place: usize, address: Ipv4Addr) {
        let lines = format!("ip -4 address flush dev eth0\nip address add {address}/24 dev eth0");
        self.places[place].run(&lines).unwrap();
    }

    /// Puts this thread, and those that it starts from now on, where the router is: from there every place is reached,
    /// whoever hears whom.
    pub fn enter(&self) {
        let file = File::open(self.router.path()).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// The address of a place.
    pub fn address(&self, place: usize) -> Ipv4Addr {
        assert!(place < self.places.len(), "there is such a place");
        address_of_place(place)
    }

    /// How a program is started in a place: the words before its own.
    pub fn wrapper(&self, place: usize) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net={}", self.places[place].path())]
    }

    /// Whether `to` hears what `from` says; what is lost is lost without a word.
    pub fn set_link(&self, from: usize, to: usize, works: bool) {
        let change = if works { "del" } else { "add" };
        let (from, to) = (self.address(from), self.address(to));
        self.router.run(&format!("ip rule {change} from {from} to {to} blackhole")).unwrap();
    }
}

fn address_of_place(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 213, u8::try_from(place).expect("a few places"), 2)
}

fn address_of_router(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 213, u8::try_from(place).expect("a few places"), 1)
}
