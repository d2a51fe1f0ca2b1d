//! `narf cluster map`: which node leads and holds what, as a picture.
//!
//! A row a node, with a letter that stands for it below: there, partitions go from left to right, with who leads each
//! in the first line of a block and who else is to hold it in the lines under that. Invariants: no line is wider than
//! 80 columns; there are at most [`CELLS_MAX`] cells, each of as many partitions as that takes; without colours all of
//! it is said by ASCII.

use client::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Look;
use super::table::{bare, fields};

/// Cells beside each other.
const ACROSS: usize = 64;
const CELLS_MAX: usize = 8 * ACROSS;
const BAR: usize = 20;
const NAME_MAX: usize = 28;
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Of a cell: no leader, no copy, not the same for all partitions of the cell, a node beyond the letters.
const NO_LEADER: char = '!';
const NO_COPY: char = '.';
const MIXED: char = '*';
const MORE: char = '+';

struct Node {
    name: String,
    state: String,
    leads: usize,
    holds: usize,
}

/// A partition by its nodes' places in the list.
struct Partition {
    last_slot: i64,
    leader: Option<usize>,
    /// Who else is to hold it; all who are if nobody leads it.
    others: Vec<usize>,
    copies: usize,
}

pub(super) fn draw(items: &[Value], members: Option<&Value>, look: Look) -> String {
    let mut nodes: Vec<Node> =
        members.and_then(Value::as_slice).unwrap_or_default().iter().map(node).collect();
    let partitions: Vec<Partition> = items.iter().map(|item| partition(item, &mut nodes)).collect();
    let copies = partitions.iter().map(|partition| partition.copies).max().unwrap_or(0);
    let last_slot = partitions.last().map_or(0, |partition| partition.last_slot);
    let mut text =
        format!("{} partitions, slots 0-{last_slot}, up to {copies} copies of each\n\n", partitions.len());
    text.push_str(&node_rows(&nodes, partitions.len(), look));
    text.push('\n');
    text.push_str(&grid(&partitions, look));
    let orphans = partitions.iter().filter(|partition| partition.leader.is_none()).count();
    if orphans > 0 {
        let line = format!("without leader ({NO_LEADER}): {orphans}; narf cluster check says why");
        text.push_str(&format!("\n{}\n", painted(&line, look.in_colour.then_some(31))));
    }
    text
}

fn node(member: &Value) -> Node {
    let fields = fields(member);
    let text = |name: &str| {
        fields.iter().find(|(other, _)| other == name).map(|(_, value)| bare(value)).unwrap_or_default()
    };
    let state = match (text("state").as_str(), text("link").as_str(), text("kind").as_str()) {
        ("up", "down", _) => "silent".to_owned(),
        ("up", _, "witness") => "witness".to_owned(),
        (state, ..) => state.to_owned(),
    };
    Node { name: text("name"), state, leads: 0, holds: 0 }
}

fn partition(item: &Value, nodes: &mut Vec<Node>) -> Partition {
    let fields = fields(item);
    let value = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
    let mut place = |name: &str| {
        let name = name.strip_suffix(" (witness)").unwrap_or(name);
        nodes.iter().position(|node| node.name == name).unwrap_or_else(|| {
            nodes.push(Node { name: name.to_owned(), state: "-".to_owned(), leads: 0, holds: 0 });
            nodes.len() - 1
        })
    };
    let leader = value("leader").filter(|leader| **leader != Value::Null).map(|leader| place(&bare(leader)));
    let voters = value("nodes").and_then(Value::as_slice).unwrap_or_default();
    let holders: Vec<usize> = voters.iter().map(|voter| place(&bare(voter))).collect();
    holders.iter().for_each(|holder| nodes[*holder].holds += 1);
    leader.into_iter().for_each(|leader| nodes[leader].leads += 1);
    Partition {
        last_slot: value("last-slot").and_then(Value::as_int).unwrap_or(0),
        leader,
        copies: holders.len(),
        others: holders.into_iter().filter(|holder| Some(*holder) != leader).collect(),
    }
}

fn node_rows(nodes: &[Node], partitions: usize, look: Look) -> String {
    let names: Vec<String> = nodes.iter().map(|node| clipped(&node.name)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0).max(4);
    let mut text = format!("   NODE{}  STATE    LEADS  HOLDS\n", " ".repeat(width - 4));
    let (led, held) = if look.is_terminal { ("█", "░") } else { ("#", "-") };
    for (place, (node, name)) in nodes.iter().zip(&names).enumerate() {
        let share = |count: usize| (count * BAR).div_ceil(partitions.max(1)).min(BAR);
        let (full, all) = (share(node.leads), share(node.holds.max(node.leads)));
        let bar = format!("{}{}", led.repeat(full), held.repeat(all - full));
        let room = " ".repeat(width - name.width());
        let Node { state, leads, holds, .. } = node;
        let line = format!("{name}{room}  {state:7}  {leads:5}  {holds:5}  ");
        let colour = look.in_colour.then(|| colour_of(place));
        let letter = painted(&letter(place).to_string(), colour);
        text.push_str(format!("{letter}  {line}{}", painted(&bar, colour)).trim_end());
        text.push('\n');
    }
    text
}

/// What a cell says of a partition in one line of its block: a node, or a sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Node(usize),
    Sign(char),
}

fn grid(partitions: &[Partition], look: Look) -> String {
    let below = partitions.iter().map(|partition| partition.others.len()).max().unwrap_or(0);
    let each = partitions.len().div_ceil(CELLS_MAX).max(1);
    let cells: Vec<&[Partition]> = partitions.chunks(each).collect();
    let mut text = "first line: who leads; below: who else is to hold it\n".to_owned();
    if each > 1 {
        text.push_str(&format!("a letter stands for {each} partitions, {MIXED} if they are not alike\n"));
    }
    for (block, cells) in cells.chunks(ACROSS).enumerate() {
        let first = block * ACROSS * each;
        for row in 0..=below {
            let label = if row == 0 { format!("{first:6}  ") } else { " ".repeat(8) };
            let line: Vec<Cell> = cells.iter().map(|cell| cell_of(cell, row)).collect();
            text.push_str(&label);
            text.push_str(&strip(&line, look));
            text.push('\n');
        }
    }
    text
}

fn cell_of(partitions: &[Partition], row: usize) -> Cell {
    let of = |partition: &Partition| match row.checked_sub(1) {
        None => partition.leader.map_or(Cell::Sign(NO_LEADER), Cell::Node),
        Some(below) => partition.others.get(below).map_or(Cell::Sign(NO_COPY), |node| Cell::Node(*node)),
    };
    let mut cells = partitions.iter().map(of);
    let first = cells.next().unwrap_or(Cell::Sign(NO_COPY));
    cells.fold(first, |all, cell| match (all, cell) {
        (Cell::Sign(NO_LEADER), _) | (_, Cell::Sign(NO_LEADER)) => Cell::Sign(NO_LEADER),
        (all, cell) if all == cell => all,
        _ => Cell::Sign(MIXED),
    })
}

/// Cells beside each other, those alike painted as one.
fn strip(cells: &[Cell], look: Look) -> String {
    let shown = |cell: &Cell| match cell {
        Cell::Node(place) => letter(*place),
        Cell::Sign(sign) => *sign,
    };
    let paint = |run: &[Cell]| {
        let text: String = run.iter().map(shown).collect();
        let colour = match run.first() {
            Some(Cell::Node(place)) => Some(colour_of(*place)),
            // White on red.
            Some(Cell::Sign(NO_LEADER)) => Some(41),
            _ => None,
        };
        painted(&text, colour.filter(|_| look.in_colour))
    };
    cells.chunk_by(|one, other| one == other).map(paint).collect()
}

fn letter(place: usize) -> char {
    LETTERS.get(place).map_or(MORE, |letter| char::from(*letter))
}

/// Never red, which says that something is wrong.
fn colour_of(place: usize) -> u8 {
    const COLOURS: [u8; 10] = [32, 33, 34, 35, 36, 92, 93, 94, 95, 96];
    COLOURS[place % COLOURS.len()]
}

fn painted(text: &str, colour: Option<u8>) -> String {
    match colour {
        Some(colour) if !text.is_empty() => format!("\x1b[{colour}m{text}\x1b[0m"),
        _ => text.to_owned(),
    }
}

/// A name that fits its column.
fn clipped(name: &str) -> String {
    if name.width() <= NAME_MAX {
        return name.to_owned();
    }
    let mut width = 0;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width < NAME_MAX
    };
    let mut clipped: String = name.chars().take_while(fits).collect();
    clipped.push('~');
    clipped
}
