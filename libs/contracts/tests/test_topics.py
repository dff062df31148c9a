from tidemill_contracts import topics


def test_records_and_dead_letters_have_topics_of_their_own():
    assert topics.records("flights") == "records.flights"
    assert topics.dead_letter(topics.records("flights")) == "records.flights.dlq"
