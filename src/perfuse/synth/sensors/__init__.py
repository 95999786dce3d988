"""Reference sensors on the body, clean or faulty as real ones are."""
