"""What a person looks like: shape, skin, hair and what they wear, as coats of paint on a relief."""
