//! Which events of keys are published, and where: `notify-keyspace-events`.

use engine::{Class, Classes};

/// A choice of events. Made by parsing, so that what is shown is what was meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `K`: on the channel of the key.
    pub keyspace: bool,
    /// `E`: on the channel of the event.
    pub keyevent: bool,
    /// Events of these classes.
    pub classes: Classes,
}

impl Notify {
    /// The choice that a row of letters says; `None` if one of them is no letter of it.
    pub fn parse(letters: &str) -> Option<Notify> {
        let mut notify = Notify::default();
        for letter in letters.chars() {
            match letter {
                'K' => notify.keyspace = true,
                'E' => notify.keyevent = true,
                'A' => notify.classes = notify.classes.and(Classes::USUAL),
                letter => {
                    let class = Class::ALL.iter().find(|class| class.letter() == letter)?;
                    notify.classes = notify.classes.with(*class);
                }
            }
        }
        Some(notify)
    }

    /// As `CONFIG GET` shows it. Redis does not show `n` beside `A`.
    pub fn text(self) -> String {
        let is_usual = self.classes.has_all(Classes::USUAL);
        self.letters(|class| class == Class::New && is_usual)
    }

    /// All of it, to be read again.
    pub fn whole_text(self) -> String {
        self.letters(|_| false)
    }

    fn letters(self, hides: impl Fn(Class) -> bool) -> String {
        let is_usual = self.classes.has_all(Classes::USUAL);
        let mut letters = String::new();
        if is_usual {
            letters.push('A');
        }
        let shown = |class: &&Class| self.classes.has(**class) && !hides(**class);
        let (missed, others): (Vec<Class>, Vec<Class>) =
            Class::ALL.iter().filter(shown).partition(|class| **class == Class::Miss);
        letters.extend(
            others.iter().filter(|c| !is_usual || !Classes::USUAL.has(**c)).map(|class| class.letter()),
        );
        letters.extend(self.keyspace.then_some('K'));
        letters.extend(self.keyevent.then_some('E'));
        letters.extend(missed.iter().map(|class| class.letter()));
        letters
    }

    /// What must be noted for it: nothing if there is no channel to tell it on.
    pub(crate) fn wanted(self) -> Classes {
        if self.keyspace || self.keyevent { self.classes } else { Classes::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs that redis-server 7.0.15 gave.
    #[test]
    fn a_choice_is_shown_as_redis_shows_it_and_kept_whole() {
        for (given, shown) in [
            ("", ""),
            ("A", "A"),
            ("AKE", "AKE"),
            ("An", "A"),
            ("AnKE", "AKE"),
            ("KEA", "AKE"),
            ("g$lshzxetdmnKE", "AKEm"),
            ("Kn", "nK"),
            ("xE", "xE"),
            ("mAKE", "AKEm"),
            ("AA", "A"),
            ("lgEK", "glKE"),
        ] {
            let notify = Notify::parse(given).expect(given);
            assert_eq!(notify.text(), shown, "{given}");
            assert_eq!(Notify::parse(&notify.whole_text()), Some(notify), "{given}");
        }
        assert!(["q", "Kq", " ", "KEÄ"].iter().all(|wrong| Notify::parse(wrong).is_none()));
        assert!(Notify::parse("A").is_some_and(|notify| notify.wanted().is_empty()));
    }
}
