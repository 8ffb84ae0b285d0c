"""Who a member is: identifiers, the profile, enrolment."""
