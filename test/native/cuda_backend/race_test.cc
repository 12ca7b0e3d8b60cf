// Which form of a program's graph wins: by times that the test says.
#include "cuda/race.h"

#include "harness.h"

using namespace gradstep::cuda;

namespace {

struct Seconds {
  double in_turn, side_by_side;
};

// The form after so many batches of so many steps; a step takes as long as this says.
Form after(Race& race, int batches, int64_t steps, const Seconds& of_step) {
  for (int i = 0; i < batches; i++) {
    const Form form = race.next();
    const double each = form == Form::kInTurn ? of_step.in_turn : of_step.side_by_side;
    race.took(form, steps, each * static_cast<double>(steps));
  }
  return race.next();
}

bool goes_on(Race& race) { return race.next() != race.next(); }

}  // namespace

TEST(the_faster_form_wins_after_five_batches_of_each) {
  Race race;
  EXPECT(after(race, 9, 16, {3e-5, 2e-5}) != after(race, 0, 16, {}));  // they still take turns
  after(race, 2, 16, {3e-5, 2e-5});
  EXPECT(!goes_on(race));
  EXPECT(race.next() == Form::kSideBySide);
}

TEST(steps_in_turn_stay_unless_the_gain_is_clear) {
  Race faster, level;
  EXPECT(after(faster, 12, 16, {2e-5, 3e-5}) == Form::kInTurn);
  EXPECT(after(level, 12, 16, {2e-5, 1.97e-5}) == Form::kInTurn);
  EXPECT(!goes_on(faster) && !goes_on(level));
}

TEST(a_first_batch_and_slow_ones_say_nothing) {
  Race race;
  race.took(Form::kSideBySide, 8, 1.);
  race.took(Form::kInTurn, 8, 1e-9);  // too fast to be true
  for (int i = 0; i < 4; i++) {
    race.took(Form::kSideBySide, 8, i == 2 ? 8e-5 : 1.);
    race.took(Form::kInTurn, 8, i == 3 ? 16e-5 : 1.);
  }
  EXPECT(!goes_on(race));
  EXPECT(race.next() == Form::kSideBySide);
}

TEST(batches_of_another_size_begin_anew) {
  Race race;
  after(race, 9, 1, {1e-3, 2e-3});
  after(race, 9, 48, {3e-5, 2e-5});
  EXPECT(goes_on(race));
  EXPECT(after(race, 2, 50, {3e-5, 2e-5}) == Form::kSideBySide);
  EXPECT(!goes_on(race));
}

TEST(a_race_may_be_won_before_it_began) {
  for (const Form winner : {Form::kInTurn, Form::kSideBySide}) {
    Race race(winner);
    EXPECT(after(race, 20, 8, {1., 2.}) == winner);
    EXPECT(race.next() == winner);
  }
}
