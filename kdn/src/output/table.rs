//! Plain tables: columns as wide as their widest cell and two spaces, no lines.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::text;

const GAP: usize = 2;
const HEADER: Style = AnsiColor::Green.on_default().underline();
const NAME: Style = AnsiColor::Yellow.on_default();

/// A table for people. Cells may hold any text: what would act on a terminal is made visible.
#[derive(Debug, Clone)]
pub struct Table<const COLUMNS: usize> {
    header: [String; COLUMNS],
    rows: Vec<Row<COLUMNS>>,
}

#[derive(Debug, Clone)]
struct Row<const COLUMNS: usize> {
    cells: [String; COLUMNS],
    named: bool,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table.
    pub fn new(header: [&str; COLUMNS]) -> Self {
        Self { header: header.map(str::to_owned), rows: Vec::new() }
    }

    /// Adds a row that begins with a name, which stands out.
    pub fn row(&mut self, cells: [&str; COLUMNS]) -> &mut Self {
        self.push(cells, true)
    }

    /// Adds a row that tells more of the one above.
    pub fn details(&mut self, cells: [&str; COLUMNS]) -> &mut Self {
        self.push(cells, false)
    }

    /// The table with styles, for [`stream::stdout`](super::stream::stdout).
    pub fn render(&self) -> String {
        let mut widths = [0; COLUMNS];
        for cells in self.rows.iter().map(|row| &row.cells).chain([&self.header]) {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width() + GAP);
            }
        }
        let mut out = String::new();
        let header: String = self.header.iter().zip(widths).map(|(cell, width)| pad(cell, width)).collect();
        let _ = writeln!(out, "{HEADER}{header}{HEADER:#}");
        for row in &self.rows {
            for (column, (cell, width)) in row.cells.iter().zip(widths).enumerate() {
                let cell = pad(cell, width);
                let _ = if column == 0 && row.named {
                    write!(out, "{NAME}{cell}{NAME:#}")
                } else {
                    write!(out, "{cell}")
                };
            }
            out.push('\n');
        }
        out
    }

    fn push(&mut self, cells: [&str; COLUMNS], named: bool) -> &mut Self {
        self.rows.push(Row { cells: cells.map(|cell| text::line(cell).into_owned()), named });
        self
    }
}

fn pad(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &str) -> String {
        // The trailing spaces are part of the layout: show where the lines end.
        anstream::adapter::strip_str(table).to_string().replace('\n', "|\n")
    }

    #[test]
    fn two_lines_a_workspace() {
        let mut table = Table::new(["NAME/SHORT ID", "PROJECT/SOURCES", "STATE"]);
        table.row(["日本-app", "https://example.com/app/", "running"]);
        table.details(["0123456789ab", "~/src/\u{1b}[31mapp", "for 3:07h"]);
        table.row(["b", "c", "stopped"]).details(["ba9876543210", "/c", ""]);
        insta::assert_snapshot!(plain(&table.render()), @r"
        NAME/SHORT ID  PROJECT/SOURCES           STATE      |
        日本-app       https://example.com/app/  running    |
        0123456789ab   ~/src/\u{1b}[31mapp       for 3:07h  |
        b              c                         stopped    |
        ba9876543210   /c                                   |
        ");
    }

    #[test]
    fn header_and_names_stand_out() {
        let mut table = Table::new(["A", "B"]);
        table.row(["x", "y"]).details(["z", ""]);
        assert_eq!(table.render(), "\u{1b}[4m\u{1b}[32mA  B  \u{1b}[0m\n\u{1b}[33mx  \u{1b}[0my  \nz     \n");
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(plain(&Table::new(["A"]).render()), "A  |\n");
    }
}
