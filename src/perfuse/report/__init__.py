"""What leaves perfuse: JSON, CSV, one self-contained HTML page, and the words that numbers are told in."""
