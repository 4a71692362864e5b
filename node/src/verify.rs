//! The desk: the story of one question.
