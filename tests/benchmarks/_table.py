"""Tables as plain text and as Markdown."""

from dataclasses import dataclass, field


def ms(seconds):
    """Milliseconds in three digits, or '-' where there is nothing."""
    return "-" if seconds is None else three_digits(1e3 * seconds)


def three_digits(number):
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def share(part, whole):
    return "-" if part is None or not whole else f"{part / whole:.0%}"


def ratio(numerator, denominator):
    return "-" if numerator is None or not denominator else f"{numerator / denominator:.2f}"


@dataclass
class Table:
    """A title, the names of the columns, rows of strings, and what a reader must know."""

    title: str
    columns: list
    note: str = ""
    rows: list = field(default_factory=list)

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def _widths(self):
        return [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]

    def _lines(self, start, between, end):
        """All rows with the first column to the left and figures to the right."""
        widths = self._widths()
        for row in (self.columns, *self.rows):
            first, *others = zip(row, widths, strict=True)
            yield start + between.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + end

    def text(self):
        header, *lines = self._lines("", "  ", "")
        return "\n".join([self.title, *([self.note] if self.note else []), header, "-" * len(header), *lines])

    def markdown(self):
        header, *lines = self._lines("| ", " | ", " |")
        rule = "|" + "|".join("---" + ":" * bool(i) for i in range(len(self.columns))) + "|"
        return "\n".join([f"### {self.title}", "", *([self.note, ""] if self.note else []), header, rule, *lines])
