// SPDX-License-Identifier: MIT
// Answers.java — what the published reference implementation says of patterns and events.
//
//   answers   reads lines of a JSON array [pattern, event], both as strings; writes for
//             each "true", "false", or "invalid" with why
//   cases     writes the table of upper and lower case (common/pattern/fold_table.c)
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import software.amazon.event.ruler.JsonRuleCompiler;
import software.amazon.event.ruler.Machine;
import software.amazon.event.ruler.Patterns;

public class Answers {
    private static final PrintStream OUT =
        new PrintStream(System.out, false, StandardCharsets.UTF_8);

    // A path that is given twice is an error, as it is in posthorn: the implementation can
    // be told to ignore all but the last.
    private static String answer(String pattern, String event) throws Exception {
        Machine machine = new Machine();
        try {
            for (Map<String, List<Patterns>> way : JsonRuleCompiler.compile(pattern, false)) {
                machine.addPatternRule("rule", way);
            }
        } catch (Exception e) {
            return "invalid " + String.valueOf(e.getMessage()).split("\n")[0];
        }
        return machine.rulesForJSONEvent(event).isEmpty() ? "false" : "true";
    }

    private static void answers() throws Exception {
        ObjectMapper json = new ObjectMapper();
        BufferedReader in = new BufferedReader(
            new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode pair = json.readTree(line);
            OUT.println(answer(pair.get(0).asText(), pair.get(1).asText()));
        }
    }

    private static String literal(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            out.append(String.format("\\%03o", b & 0xff));
        }
        return out.append('"').toString();
    }

    private static void cases() {
        List<int[]> ranges = new ArrayList<>();
        List<String> specials = new ArrayList<>();
        for (int c = 0; c < 0x10000; c++) {
            String text = String.valueOf((char) c);
            String lower = text.toLowerCase(Locale.ROOT);
            String upper = text.toUpperCase(Locale.ROOT);
            if ((c >= 0xd800 && c < 0xe000) || lower.equals(upper)) {
                continue;
            }
            if (lower.length() > 1 || upper.length() > 1) {
                specials.add(String.format("    { 0x%04x, %s, %s },", c, literal(lower),
                                           literal(upper)));
                continue;
            }
            int toLower = lower.charAt(0) - c;
            int toUpper = upper.charAt(0) - c;
            boolean isIn = false;
            for (int i = ranges.size() - 1; i >= Math.max(0, ranges.size() - 2) && !isIn; i--) {
                int[] r = ranges.get(i);
                int step = r[0] == r[1] ? c - r[1] : r[4];
                if (r[2] == toLower && r[3] == toUpper && step <= 2 && c - r[1] == step) {
                    r[1] = c;
                    r[4] = step;
                    isIn = true;
                }
            }
            if (!isIn) {
                ranges.add(new int[] {c, c, toLower, toUpper, 1});
            }
        }
        OUT.println("// SPDX-License-Identifier: MIT");
        OUT.println("// fold_table.c — the cases of letters, as data: made by"
                    + " tests/patterns/make.");
        OUT.println();
        OUT.println("#include \"common/pattern/fold_table.h\"");
        OUT.println();
        OUT.println("const struct fold_range fold_ranges[] = {");
        for (int[] r : ranges) {
            OUT.printf("    { 0x%04x, 0x%04x, %d, %d, %d },%n", r[0], r[1], r[2], r[3], r[4]);
        }
        OUT.println("};");
        OUT.println("const size_t fold_n_ranges = sizeof(fold_ranges) / sizeof(fold_ranges[0]);");
        OUT.println();
        OUT.println("const struct fold_special fold_specials[] = {");
        specials.forEach(OUT::println);
        OUT.println("};");
        OUT.println("const size_t fold_n_specials =");
        OUT.println("    sizeof(fold_specials) / sizeof(fold_specials[0]);");
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("cases")) {
            cases();
        } else {
            answers();
        }
        OUT.flush();
    }
}
