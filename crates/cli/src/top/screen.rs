//! The screen of `narf top`: tables drawn over and over, and keys.
//!
//! Nodes are asked on a thread of its own, so that keys are heeded while one of them is away. Invariant: however it
//! ends, the terminal is as it was.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::{cursor, execute, queue};

use super::poll::{Node, Poller, Wants};
use super::table::cut;
use super::view::{View, summary};
use crate::{Exit, Failure};

/// How long a key may go unnoticed, and a new sample.
const LOOK_EVERY: Duration = Duration::from_millis(50);

const HELP: &[&str] = &[
    "1 2 3 4 5  nodes, commands, clients, slow requests, hot keys; Tab goes round",
    "s          sort by the next column; r the other way around",
    "/          show only rows with a word: type it, Enter keeps it, Esc drops it",
    "arrows     scroll, also Page Up, Page Down and Home",
    "p          pause, or go on",
    "q          leave, as Esc and Ctrl-C do",
];

/// Shows until a key ends it.
pub(super) fn run(poller: Poller, every: Duration, view: View) -> Result<Exit, Failure> {
    let wants = Arc::new(AtomicU8::new(0));
    let is_paused = Arc::new(AtomicBool::new(false));
    let (samples, received) = channel();
    let (stop, stopped) = channel();
    let asking = {
        let (wants, is_paused) = (Arc::clone(&wants), Arc::clone(&is_paused));
        std::thread::spawn(move || ask(poller, every, &wants, &is_paused, &samples, &stopped))
    };
    let mut board = Board { view, ..Board::default() };
    let terminal = Screen::open()?;
    let shown = show(&mut board, &received, &wants, &is_paused);
    drop(terminal);
    drop(stop);
    // It ends with the round that it is in.
    let _ = asking.join();
    shown.map_err(Failure::Io)
}

/// Asks until told to stop; at once when something else is wanted.
fn ask(
    mut poller: Poller,
    every: Duration,
    wants: &AtomicU8,
    is_paused: &AtomicBool,
    samples: &Sender<Vec<Node>>,
    stopped: &Receiver<()>,
) {
    loop {
        let view = wants.load(Relaxed);
        if !is_paused.load(Relaxed) && samples.send(poller.poll(wants_of(view))).is_err() {
            return;
        }
        let mut waited = Duration::ZERO;
        while waited < every && wants.load(Relaxed) == view {
            let step = LOOK_EVERY.min(every - waited);
            match stopped.recv_timeout(step) {
                Err(RecvTimeoutError::Timeout) => waited += step,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// What a view needs, by its place among all.
fn wants_of(view: u8) -> Wants {
    View::ALL.get(usize::from(view)).map_or(Wants::default(), |view| Wants::of(*view))
}

fn show(
    board: &mut Board,
    received: &Receiver<Vec<Node>>,
    wants: &AtomicU8,
    is_paused: &AtomicBool,
) -> io::Result<Exit> {
    let mut is_stale = true;
    loop {
        let place = View::ALL.iter().position(|view| *view == board.view).unwrap_or(0);
        wants.store(place as u8, Relaxed);
        is_paused.store(board.is_paused, Relaxed);
        while let Ok(nodes) = received.try_recv() {
            board.nodes = nodes;
            is_stale = true;
        }
        if is_stale {
            board.draw(&mut io::stdout().lock())?;
            is_stale = false;
        }
        if event::poll(LOOK_EVERY)? {
            is_stale = true;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && let Some(exit) = board.handle_key(key)
            {
                return Ok(exit);
            }
        }
    }
}

/// The other screen of the terminal, with keys as they are pressed.
struct Screen;

impl Screen {
    fn open() -> io::Result<Screen> {
        terminal::enable_raw_mode()?;
        let screen = Screen;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no care.
        let _ = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// What is shown, and how.
struct Board {
    nodes: Vec<Node>,
    view: View,
    /// A column other than the view's own.
    column: Option<usize>,
    is_reversed: bool,
    /// The word that rows must have.
    word: String,
    is_typing: bool,
    is_paused: bool,
    is_helping: bool,
    /// The first row that is shown.
    first: usize,
    /// Rows that fitted when it was last drawn.
    page: usize,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            nodes: Vec::new(),
            view: View::Nodes,
            column: None,
            is_reversed: false,
            word: String::new(),
            is_typing: false,
            is_paused: false,
            is_helping: false,
            first: 0,
            page: 1,
        }
    }
}

impl Board {
    /// What a key ends, if it does.
    fn handle_key(&mut self, key: KeyEvent) -> Option<Exit> {
        let with_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if with_ctrl => return Some(Exit::Interrupted),
            _ if self.is_typing => self.type_key(key.code),
            KeyCode::Char('q') => return Some(Exit::Done),
            KeyCode::Esc if self.is_helping => self.is_helping = false,
            KeyCode::Esc if !self.word.is_empty() => self.word.clear(),
            KeyCode::Esc => return Some(Exit::Done),
            KeyCode::Char(digit @ '1'..='5') => self.look_at(digit as usize - '1' as usize),
            KeyCode::Tab => self.look_at((self.place() + 1) % View::ALL.len()),
            KeyCode::BackTab => self.look_at((self.place() + View::ALL.len() - 1) % View::ALL.len()),
            KeyCode::Char('s') => {
                let columns = self.view.table(&[]).columns.len();
                self.column = Some(self.sorted_by().map_or(0, |column| column + 1) % columns.max(1));
            }
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('?' | 'h') => self.is_helping = !self.is_helping,
            KeyCode::Char('/') => {
                self.is_typing = true;
                self.word.clear();
            }
            KeyCode::Down | KeyCode::Char('j') => self.first += 1,
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::PageDown => self.first += self.page,
            KeyCode::PageUp => self.first = self.first.saturating_sub(self.page),
            KeyCode::Home => self.first = 0,
            _ => {}
        }
        None
    }

    fn type_key(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.word.clear();
            }
            KeyCode::Backspace => drop(self.word.pop()),
            KeyCode::Char(c) if self.word.len() < 100 => self.word.push(c),
            _ => {}
        }
        self.first = 0;
    }

    fn place(&self) -> usize {
        View::ALL.iter().position(|view| *view == self.view).unwrap_or(0)
    }

    fn look_at(&mut self, place: usize) {
        self.view = View::ALL[place];
        (self.column, self.is_reversed, self.first) = (None, false, 0);
    }

    fn sorted_by(&self) -> Option<usize> {
        self.column.or(self.view.sorted_by())
    }

    /// The text of a screen of this size: two lines of head, a heading, rows, and a foot.
    fn lines(&mut self, width: usize, height: usize) -> Vec<String> {
        let mut lines = vec![cut(&summary(&self.nodes), width), String::new()];
        if self.is_helping {
            lines.extend(HELP.iter().map(|line| cut(line, width)));
        } else {
            let mut table = self.view.table(&self.nodes);
            if let Some(column) = self.sorted_by() {
                table.sort(column, self.is_reversed);
            }
            table.keep(&self.word);
            let mut rows = table.lines(width).into_iter();
            lines.extend(rows.next());
            let rows: Vec<String> = rows.collect();
            self.page = height.saturating_sub(4).max(1);
            self.first = self.first.min(rows.len().saturating_sub(1));
            lines.extend(rows.into_iter().skip(self.first).take(self.page));
        }
        lines.truncate(height.saturating_sub(1));
        lines.resize(height.saturating_sub(1), String::new());
        lines.push(cut(&self.foot(), width));
        lines
    }

    fn foot(&self) -> String {
        if self.is_typing {
            return format!("/{}_", self.word);
        }
        let views = View::ALL.iter().enumerate().map(|(index, view)| {
            let (open, close) = if *view == self.view { ("[", "]") } else { (" ", " ") };
            format!("{open}{} {}{close}", index + 1, view.name())
        });
        let columns = self.view.table(&[]).columns;
        let column = self.sorted_by().map_or("time", |column| columns[column]);
        let mut foot = format!("{}  by {column}", views.collect::<Vec<_>>().join(""));
        if !self.word.is_empty() {
            foot.push_str(&format!("  with \"{}\"", self.word));
        }
        if self.is_paused {
            foot.push_str("  PAUSED");
        }
        foot.push_str("  ? help  q quit");
        foot
    }

    fn draw(&mut self, out: &mut impl Write) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let lines = self.lines(usize::from(width), usize::from(height));
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in lines.iter().enumerate() {
            queue!(out, cursor::MoveTo(0, row as u16))?;
            // The heading of the table.
            let is_heading = row == 2 && !self.is_helping;
            if is_heading {
                queue!(out, SetAttribute(Attribute::Bold))?;
            }
            queue!(out, Print(line), SetAttribute(Attribute::Reset), Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(board: &mut Board, keys: &str) -> Option<Exit> {
        keys.chars()
            .filter_map(|c| {
                let code = match c {
                    '\n' => KeyCode::Enter,
                    '\t' => KeyCode::Tab,
                    '\x1b' => KeyCode::Esc,
                    '\x08' => KeyCode::Backspace,
                    'v' => KeyCode::Down,
                    c => KeyCode::Char(c),
                };
                board.handle_key(KeyEvent::new(code, KeyModifiers::NONE))
            })
            .last()
    }

    #[test]
    fn keys_choose_views_and_their_order() {
        let mut board = Board::default();
        press(&mut board, "3");
        assert_eq!((board.view, board.sorted_by()), (View::Clients, Some(4)));
        press(&mut board, "sr");
        assert_eq!((board.sorted_by(), board.is_reversed), (Some(5), true));
        press(&mut board, "\t\t");
        assert_eq!((board.view, board.sorted_by(), board.is_reversed), (View::Hot, Some(2), false));
        press(&mut board, "\t");
        assert_eq!((board.view, board.sorted_by(), board.is_reversed), (View::Nodes, Some(0), false));
        assert_eq!(press(&mut board, "q"), Some(Exit::Done));
    }

    #[test]
    fn a_word_is_typed_kept_and_dropped() {
        let mut board = Board::default();
        press(&mut board, "/qs\x08x\n");
        assert_eq!((board.word.as_str(), board.is_typing), ("qx", false));
        assert_eq!(press(&mut board, "\x1b"), None);
        assert_eq!(board.word, "");
        assert_eq!(press(&mut board, "/abc\x1b"), None);
        assert_eq!(board.word, "");
        assert_eq!(press(&mut board, "\x1b"), Some(Exit::Done));
    }

    #[test]
    fn a_screen_is_filled_and_never_overrun() {
        for (width, height) in [(120, 30), (20, 5), (1, 1), (0, 0)] {
            let mut board = Board::default();
            press(&mut board, "vvv");
            for keys in ["", "2", "3", "4", "5", "?"] {
                press(&mut board, keys);
                let lines = board.lines(width, height);
                assert_eq!(lines.len(), height.max(1));
                assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
            }
        }
    }
}
