//! What `narf cluster upgrade` tells people: which versions the nodes run, and what is to be done next.

use super::table;

type Row = Vec<(String, String)>;

/// The members as a table, and a line below it.
pub(super) fn draw(members: &[Row]) -> String {
    let mut shown = members.to_vec();
    shown
        .iter_mut()
        .for_each(|row| row.retain(|(name, _)| !["level", "in-the-way"].contains(&name.as_str())));
    format!("{}{}\n", table::rows(&shown), next(members))
}

fn next(members: &[Row]) -> String {
    let number = |row: &Row, name: &str| text(row, name).parse::<u8>().unwrap_or_default();
    let level = members.first().map_or(0, |row| number(row, "level"));
    let newest = members.iter().map(|row| number(row, "newest")).max().unwrap_or_default();
    if newest <= level {
        return format!("level {level} is in force, and no node knows a newer one");
    }
    let missing: Vec<&str> =
        members.iter().filter(|row| text(row, "in-the-way") != "0").map(|row| text(row, "name")).collect();
    match missing.is_empty() {
        true => format!(
            "level {level} is in force, and all know level {newest}: narf cluster upgrade --finish puts it in force, and \
             older versions cannot come back then"
        ),
        false => format!("level {level} is in force; level {newest} waits for {}", missing.join(", ")),
    }
}

fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.iter().find(|(other, _)| other == name).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, newest: u8, level: u8, in_the_way: u8) -> Row {
        let numbers = [("newest", newest), ("level", level), ("in-the-way", in_the_way)];
        let numbers = numbers.map(|(name, number)| (name.to_owned(), number.to_string()));
        std::iter::once(("name".to_owned(), name.to_owned())).chain(numbers).collect()
    }

    #[test]
    fn it_says_what_to_do_next() {
        let last = |rows: &[Row]| draw(rows).lines().last().unwrap().to_owned();
        assert_eq!(last(&[row("a", 1, 1, 0)]), "level 1 is in force, and no node knows a newer one");
        let mixed = [row("a", 2, 1, 0), row("b", 1, 1, 1), row("c", 1, 1, 1)];
        assert_eq!(last(&mixed), "level 1 is in force; level 2 waits for b, c");
        assert!(last(&[row("a", 2, 1, 0), row("b", 3, 1, 0)]).contains("upgrade --finish"));
        assert!(draw(&mixed).starts_with("NAME  NEWEST\na"), "{}", draw(&mixed));
    }
}
