//! Which panes are shown, and where.

use ratatui::layout::Rect;

use super::panes::{Home, PANES, Pane};

/// The places of panes.
const SLOTS: usize = 4;
const MAIN: usize = 0;
const SIDE: usize = 1;
const BOTTOM: usize = 2;
const CORNER: usize = 3;

/// From this size on there is a fourth pane.
const WIDE: (u16, u16) = (110, 30);
/// Below this size there is one.
const SMALL: (u16, u16) = (60, 14);

/// What is shown where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    shown: [Pane; SLOTS],
    focus: usize,
    /// The pane with the focus is alone.
    pub zoomed: bool,
    size: (u16, u16),
}

/// A pane on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which.
    pub pane: Pane,
    /// Where.
    pub area: Rect,
    /// It has the focus.
    pub focus: bool,
    /// There is a pane to its left.
    pub wall: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            shown: [Pane::Code, Pane::Registers, Pane::Console, Pane::Harts],
            focus: MAIN,
            zoomed: false,
            size: (80, 21),
        }
    }
}

/// So many percent of `cells`, at most 100.
fn share(cells: u16, percent: u32) -> u16 {
    // No more than `cells`.
    (u32::from(cells) * percent.min(100) / 100) as u16
}

impl Layout {
    /// The area for panes has another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        if self.focus == CORNER && !self.is_wide() {
            self.focus = BOTTOM;
        }
    }

    fn is_wide(&self) -> bool {
        self.size.0 >= WIDE.0 && self.size.1 >= WIDE.1
    }

    fn is_small(&self) -> bool {
        self.size.0 < SMALL.0 || self.size.1 < SMALL.1
    }

    fn slot(&self, pane: Pane) -> usize {
        match pane.def().home {
            Home::Main => MAIN,
            Home::Side => SIDE,
            Home::Bottom => BOTTOM,
            Home::Corner if self.is_wide() => CORNER,
            Home::Corner => BOTTOM,
        }
    }

    /// The pane with the focus.
    pub fn focused(&self) -> Pane {
        self.shown[self.focus]
    }

    /// Shows `pane`, with the focus.
    pub fn show(&mut self, pane: Pane) {
        self.focus = self.reveal(pane);
    }

    /// Shows `pane`, and leaves the focus where it is.
    pub fn reveal(&mut self, pane: Pane) -> usize {
        let slots = if self.is_wide() { SLOTS } else { CORNER };
        let there = self.shown[..slots].iter().position(|&shown| shown == pane);
        let slot = there.unwrap_or_else(|| self.slot(pane));
        self.shown[slot] = pane;
        slot
    }

    /// Moves the focus by `by` slots.
    pub fn move_focus(&mut self, by: isize) {
        let slots = if self.is_wide() { SLOTS } else { CORNER } as isize;
        self.focus = (self.focus as isize + by).rem_euclid(slots) as usize;
    }

    /// Shows the next pane of the slot with the focus, or the one before.
    pub fn turn(&mut self, by: isize) {
        let here: Vec<Pane> =
            PANES.iter().map(|def| def.pane).filter(|&pane| self.slot(pane) == self.focus).collect();
        let now = here.iter().position(|&pane| pane == self.focused()).unwrap_or(0);
        if let Some(&pane) = here.get((now as isize + by).rem_euclid(here.len().max(1) as isize) as usize) {
            self.shown[self.focus] = pane;
        }
    }

    /// The names of what is shown, to be kept.
    pub fn names(&self) -> Vec<String> {
        self.shown.iter().map(|pane| pane.def().name.to_string()).collect()
    }

    /// Shows what has these names.
    pub fn restore(&mut self, names: &[String]) {
        for (slot, name) in self.shown.iter_mut().zip(names) {
            if let Some(pane) = Pane::by_name(name) {
                *slot = pane;
            }
        }
    }

    /// What is on the screen in `area`.
    pub fn place(&self, area: Rect) -> Vec<Placed> {
        let placed = |slot: usize, area: Rect, wall: bool| Placed {
            pane: self.shown[slot],
            area,
            focus: slot == self.focus,
            wall,
        };
        if self.zoomed || self.is_small() {
            return vec![placed(self.focus, area, false)];
        }
        let Rect { x, y, width, height } = area;
        if self.is_wide() {
            let (left, top, high) = (share(width, 58), share(height, 57), share(height, 68));
            let right = width - left;
            return vec![
                placed(MAIN, Rect::new(x, y, left, top), false),
                placed(SIDE, Rect::new(x + left, y, right, high), true),
                placed(BOTTOM, Rect::new(x, y + top, left, height - top), false),
                placed(CORNER, Rect::new(x + left, y + high, right, height - high), true),
            ];
        }
        let (left, top) = (share(width, 58), share(height, 62));
        vec![
            placed(MAIN, Rect::new(x, y, left, top), false),
            placed(SIDE, Rect::new(x + left, y, width - left, top), true),
            placed(BOTTOM, Rect::new(x, y + top, width, height - top), false),
        ]
    }

    /// Whether `pane` can be seen.
    pub fn is_visible(&self, pane: Pane) -> bool {
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        self.place(area).iter().any(|placed| placed.pane == pane)
    }
}
