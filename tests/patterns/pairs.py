# SPDX-License-Identifier: MIT
"""Patterns and events that are compared with the reference implementation: each pattern of a
group with each event of it. What they are about is what the reference's own tests are about
(src/test of aws/event-ruler: MachineTest, ACMachineTest, RulerTest, JsonRuleCompilerTest,
CIDRTest, ComparableNumberTest, ByteMachineTest, EqualsIgnoreCaseParserTest,
correctness-cases.json, orRelationshipRules.json), and each is JSON text."""

INSTANCE = r'''{"version":"0","id":"d4-aaaa","detail-type":"EC2 Instance State-change Notification",
"source":"aws.ec2","account":"012345679012","time":"2017-10-02T16:24:49Z","region":"us-east-1",
"resources":["arn:aws:ec2:us-east-1:012345679012:instance/i-0a"],"detail":{"c-count":5,
"d-count":3,"x-limit":301.8,"source-ip":"10.0.0.33","instance-id":"i-0a","state":"running"}}'''
FLAT = r'''{"source":"aws.ec2","detail.c-count":5,"detail.d-count":3,"detail.x-limit":301.8,
"detail.instance-id":"i-0a","detail.state":"running"}'''
IMAGE = r'''{"Image":{"Width":800,"Height":600,"Title":"View from 15th Floor","Thumbnail":{
"Url":"http://www.example.com/image/481989943","Height":125,"Width":100},"Animated":false,
"IDs":[116,943,234,38793]}}'''
EMPLOYEES = r'''{"employees":[[{"firstName":"John","lastName":"Doe","ids":[1234,1000,9999]},
{"firstName":"Anna","lastName":"Smith"}],[{"firstName":"Peter","lastName":"Jones","ids":[]}]]}'''
SONGS = r'''{"Year":1966,"Genres":[{"Pop":true},{"Classical":false}],"Songs":[
{"Name":"Paperback Writer","Writers":[{"First":"John","Last":"Lennon"},{"First":"Paul",
"Last":"McCartney"}]},{"Name":"Paint It Black","Writers":[{"First":"Mick","Last":"Jagger"},
{"First":"Keith","Last":"Richards"}]}]}'''
LINES = r'''{"lines":[{"intensities":[[0.5]],"points":[[[{"pp":"index0"},483.3474497412421,
287.48116291799363],[{"pp":"index1"},489.9999497412421,299.99996291799363]]]}]}'''

GROUPS = [
    ("the readme", [INSTANCE, FLAT], [
        r'{"detail-type":["EC2 Instance State-change Notification"],"detail":{"state":["initializing","running"]}}',
        r'{"resources":["arn:aws:ec2:us-east-1:012345679012:instance/i-0a"]}',
        r'{"time":[{"prefix":"2017-10-02"}],"detail":{"state":[{"anything-but":"initializing"}]}}',
        r'{"time":[{"prefix":"2017-10-02"}],"detail":{"state":[{"suffix":"ing"}]}}',
        r'{"detail":{"c-count":[{"numeric":[">",0,"<=",5]}],"d-count":[{"numeric":["<",10]}],"x-limit":[{"numeric":["=",3.018e2]}]}}',
        r'{"detail":{"source-ip":[{"cidr":"10.0.0.0/24"}]}}',
        r'{"detail":{"source-ip":[{"cidr":"10.0.0.0/8"}]}}',
        r'{"detail":{"source-ip":[{"cidr":"10.0.0.0/27"}]}}',
        r'{"detail":{"state":[{"anything-but":{"prefix":"init"}}]}}',
        r'{"detail":{"state":[{"anything-but":{"prefix":"run"}}]}}',
        r'{"detail":{"instance-id":[{"anything-but":{"suffix":"1234"}}]}}',
        r'{"detail":{"state":[{"anything-but":{"equals-ignore-case":["Stopped","OverLoaded"]}}]}}',
        r'{"detail":{"state":[{"anything-but":{"equals-ignore-case":["Stopped","RUNNING"]}}]}}',
        r'{"detail":{"state":[{"anything-but":{"wildcard":"r*g"}}]}}',
        r'{"detail":{"state":[{"anything-but":{"wildcard":["x*","*y"]}}]}}',
        r'{"detail":{"c-count":[{"exists":true}]}}', r'{"detail":{"c-count":[{"exists":false}]}}',
        r'{"detail":{"e-count":[{"exists":false}]}}', r'{"detail":[{"exists":false}]}',
        r'{"detail":[{"exists":true}]}', r'{"detail.state":["running"]}',
        r'{"detail":{"x-limit":[{"anything-but":[100,200,300]}]}}',
        r'{"detail":{"x-limit":[{"anything-but":[100,3018e-1]}]}}',
        r'{"source":[{"equals-ignore-case":"AWS.EC2"}],"account":[{"wildcard":"0*45*12"}]}',
        r'{"source":["aws.s3"],"detail":{"state":["running"]}}',
    ]),
    ("fields of an image", [IMAGE], [
        r'{"Image":{"Width":[800],"Thumbnail":{"Height":[125,300]}}}',
        r'{"Image":{"Thumbnail":{"Url":[{"prefix":"http"}]}}}',
        r'{"Image":{"Width":[{"numeric":["<",1000]}],"Height":[{"numeric":["<=",600]}],"Title":[{"anything-but":"View from 15th Flood"}],"Thumbnail":{"Url":[{"prefix":"http"}],"Height":[{"numeric":[">",124,"<",126]}],"Width":[{"numeric":[">=",99.999,"<=",100]}]},"Animated":[false]}}',
        r'{"Image":{"Width":[{"numeric":["<",800]}]}}', r'{"Image":{"Height":[{"numeric":["<",599]}]}}',
        r'{"Image":{"Title":[{"anything-but":"View from 15th Floor"}]}}',
        r'{"Image":{"Thumbnail":{"Url":[{"prefix":"https"}]}}}',
        r'{"Image":{"Thumbnail":{"Height":[{"numeric":[">",124,"<",125]}]}}}',
        r'{"Image":{"Thumbnail":{"Width":[{"numeric":[">=",100.00001,"<=",1001]}]}}}',
        r'{"Image":{"Animated":[true]}}', r'{"Image":{"IDs":[943]}}', r'{"Image":{"IDs":[944]}}',
        r'{"Image":{"IDs":[{"numeric":[">",30000]}]}}', r'{"Image":{"Title":["800"]}}',
        r'{"Image":{"Width":["800"]}}', r'{"Image":{"Width":[800.0]}}', r'{"Image":{"Width":[8e2]}}',
    ]),
    ("arrays in arrays", [EMPLOYEES], [
        r'{"employees":{"firstName":["Anna"]}}', r'{"employees":{"firstName":["John"],"ids":[1000]}}',
        r'{"employees":{"firstName":["Anna"],"ids":[{"exists":false}]}}',
        r'{"employees":{"firstName":["Peter"],"ids":[{"exists":false}]}}',
        r'{"employees":{"firstName":["John"],"ids":[{"exists":false}]}}',
        r'{"employees":{"firstName":["Alice"]}}', r'{"employees":{"firstName":["Anna"],"lastName":["Jones"]}}',
        r'{"employees":{"firstName":["Alice"],"lastName":["Bob"]}}', r'{"a":["b"]}', r'{"employees":["b"]}',
        r'{"employees":{"firstName":["Anna"],"ids":[1000]}}',
        r'{"employees":{"firstName":["Anna"],"ids":[{"exists":true}]}}',
        r'{"employees":{"lastName":["Smith"],"ids":[{"exists":false}]}}',
        r'{"employees":{"firstName":[{"exists":false}],"ids":[1000]}}',
        r'{"employees":{"firstName":["John"],"ids":[1000],"lastName":["Doe"]}}',
        r'{"employees":{"firstName":[{"anything-but":["John","Anna"]}],"lastName":["Jones"]}}',
        r'{"employees":[{"exists":false}]}', r'{"employees":{"name":[{"exists":false}]}}',
    ]),
    ("songs", [SONGS], [
        r'{"Year":[1966],"Songs":{"Name":["Paperback Writer"],"Writers":{"First":["Paul"],"Last":["McCartney"]}}}',
        r'{"Genres":{"Pop":[true]},"Songs":{"Name":["Paint It Black"]}}',
        r'{"Year":[1966],"Songs":{"Name":["Paint It Black"]}}',
        r'{"Songs":{"Name":["Paperback Writer"],"Writers":{"First":["Paul"],"Last":["McCartney"]}}}',
        r'{"Year":[1966],"Songs":{"Name":["Paperback Writer"],"Writers":{"First":["Mick"]}}}',
        r'{"Songs":{"Writers":{"First":["Mick"],"Last":["McCartney"]}}}',
        r'{"Genres":{"Pop":[true]},"Songs":{"Writers":{"First":["Mick"],"Last":["McCartney"]}}}',
        r'{"Genres":{"Pop":[true],"Classical":[false]}}', r'{"Genres":{"Pop":[true],"Classical":[{"exists":false}]}}',
        r'{"Genres":{"Classical":[{"exists":false}],"Pop":[true]}}',
        r'{"Songs":{"Writers":{"First":["John"]},"Name":["Paint It Black"]}}',
        r'{"$or":[{"Songs":{"Name":["Paint It Black"],"Writers":{"First":["Paul"]}}},{"Year":[1967]}]}',
        r'{"$or":[{"Songs":{"Name":["Paint It Black"],"Writers":{"First":["Keith"]}}},{"Year":[1967]}]}',
        r'{"Songs":{"Name":["Paperback Writer"],"$or":[{"Writers":{"First":["Mick"]}},{"Writers":{"Last":["Lennon"]}}]}}',
    ]),
    ("points", [LINES], [
        r'{"lines":{"points":[287.48116291799363]}}', r'{"lines":{"points":[287.48116291799364]}}',
        r'{"lines":{"points":[287.48116291799363],"points.pp":["index0"]}}',
        r'{"lines":{"points":[287.48116291799363],"points.pp":["index1"]}}',
        r'{"lines":{"intensities":[0.5],"points":{"pp":["index1"]}}}',
        r'{"lines":{"points":[{"numeric":[">",489]}],"points.pp":["index0"]}}',
    ]),
    ("an object and its arrays", [
        r'{"d":{"a":1,"b":2}}', r'{"d":{"a":1}}', r'{"d":{"a":"hello","b":"world"}}', r'{"d":{"a":"hello","b":"nope"}}',
        r'{"d":[{"a":1,"b":2}]}', r'{"d":[{"a":1},{"b":2}]}', r'{"d":[{"a":1},{"b":2},{"a":3,"b":4}]}',
        r'{"d":[{"a":1,"b":2,"c":3}]}', r'{"d":[{"a":1},{"b":2},{"c":3}]}', r'{}', r'{"d":[]}', r'{"d":{}}',
        r'{"d":[{"a":"x"},{"a":"y"},{"a":"hello","b":"world"},{"a":"z"}]}', r'{"d":[{"a":"hello"},{"b":"world"}]}',
        r'{"d":null}', r'{"d":[null,[{"a":1}],{"b":2}]}', r'{"d":[[{"a":1,"b":2}],[{"c":3}]]}',
    ], [
        r'{"d":{"a":[{"exists":true}],"b":[{"exists":true}]}}',
        r'{"d":{"a":[{"exists":true}],"b":[{"exists":true}],"c":[{"exists":true}]}}',
        r'{"d":{"a":["hello"],"b":["world"]}}', r'{"d":{"a":[{"prefix":"hel"}],"b":[{"exists":true}]}}',
        r'{"d":{"a":[{"exists":true}],"b":[{"exists":false}]}}', r'{"d":{"a":[{"exists":false}],"b":[{"exists":true}]}}',
        r'{"d":{"a":[{"exists":false}],"b":[{"exists":false}]}}', r'{"d":{"a":[{"exists":true}]}}',
        r'{"d":{"b":[{"exists":false},2]}}', r'{"d":{"a":[1],"b":[{"exists":false},4]}}',
        r'{"d":{"a":[{"anything-but":[1,"x"]}]}}', r'{"d":{"a":[{"anything-but":["x","y"]}],"b":[{"exists":true}]}}',
        r'{"d":[{"exists":true}]}', r'{"d":[null]}', r'{"d":[null],"d.a":[1]}',
        r'{"d":{"a":[{"numeric":[">",0]}],"b":[{"numeric":["<",3]}]}}',
    ]),
    ("lists of values", [
        r'{"d":{"tags":["admin","user","dev"],"type":"GROUP"}}', r'{"d":{"tags":["a"],"type":"x"}}',
        r'{"d":{"tags":[],"type":"x"}}', r'{"d":{"tags":[100,5,200],"type":"ok"}}', r'{"d":{"tags":["banned","ok"],"type":"x"}}',
        r'{"d":{"tags":["banned"],"type":"x"}}', r'{"d":{"tags":[["admin"],["x"]],"type":"GROUP"}}', r'{"d":{"tags":[null,true,false]}}',
    ], [
        r'{"d":{"tags":[{"exists":true}],"type":[{"exists":true}]}}', r'{"d":{"tags":["admin"],"type":["GROUP"]}}',
        r'{"d":{"tags":[{"prefix":"ad"}],"type":[{"exists":true}]}}', r'{"d":{"tags":[{"prefix":"super"}]}}',
        r'{"d":{"tags":[{"numeric":[">",0,"<",10]}],"type":[{"exists":true}]}}',
        r'{"d":{"tags":[{"anything-but":"banned"}],"type":[{"exists":true}]}}', r'{"d":{"tags":[null]}}', r'{"d":{"tags":[true]}}',
        r'{"d":{"tags":[{"exists":false}]}}', r'{"d":{"tags":["false"]}}', r'{"d":{"tags":[{"anything-but":[5,100,200]}]}}',
    ]),
    ("what is a text, a number, true, null", [
        r'{"a":1}', r'{"a":1.0}', r'{"a":"1"}', r'{"a":true}', r'{"a":"true"}', r'{"a":null}', r'{"a":"null"}', r'{"a":""}', r'{"a":false}',
        r'{"a":0}', r'{"a":-0.0}', r'{"a":1e0}', r'{"a":{"b":1}}', r'{"b":1}', r'{"a":[]}', r'{"a":"A"}', r'{"a":"a"}', r'{"a":"ab"}',
    ], [
        r'{"a":[1]}', r'{"a":["1"]}', r'{"a":[true]}', r'{"a":["true"]}', r'{"a":[null]}', r'{"a":["null"]}', r'{"a":[""]}', r'{"a":[0]}',
        r'{"a":[-0]}', r'{"a":[{"prefix":""}]}', r'{"a":[{"suffix":""}]}', r'{"a":[{"wildcard":"*"}]}', r'{"a":[{"equals-ignore-case":""}]}',
        r'{"a":[{"anything-but":""}]}', r'{"a":[{"anything-but":1}]}', r'{"a":[{"anything-but":"1"}]}', r'{"a":[{"anything-but":"null"}]}',
        r'{"a":[{"anything-but":{"prefix":"a"}}]}', r'{"a":[{"anything-but":{"wildcard":"*"}}]}', r'{"a":[{"exists":true}]}', r'{"a":[{"exists":false}]}',
        r'{"a":[{"exists":false},null]}', r'{"a":[{"numeric":["=",1]}]}', r'{"a":[{"numeric":["<=",0]}]}', r'{"a":[{"exactly":"1"}]}', r'{"a":["a"]}',
        r'{"a":[{"equals-ignore-case":"a"}]}', r'{"a":[{"prefix":{"equals-ignore-case":"A"}}]}', r'{"a":[{"suffix":{"equals-ignore-case":"B"}}]}',
        r'{"a":[1,"1",true,null]}', r'{"a":[{"anything-but":{"equals-ignore-case":"TRUE"}}]}', r'{"a":[{"anything-but":{"suffix":"b"}}]}',
    ]),
    ("numbers by their value", [f'{{"a":{n}}}' for n in (
        "0", "0.1", "1e-1", "100000000000000000000", "1e20", "1.0e+20", "12345678901234567890", "12345678901234567891", "9007199254740993",
        "9007199254740992", "0.30000000000000004", "0.3", "1e400", "-1e400", "1e-320", "1e-400", "1.7976931348623157e308", "-5", "-5.000000001",
        "3.018e2", "301.8", "0.000001", "5000000000.000001", "123456789012345", "1234567890123456", "12345678901234567", "123456789012345678",
        "2.50", "25e-1")],
     [f'{{"a":[{n}]}}' for n in ("0", "0.1", "1e20", "12345678901234567890", "9007199254740993", "9007199254740992.0", "0.30000000000000004",
                                "1e400", "1e-320", "301.80", "1234567890123456", "12345678901234567", "2.5")] +
     [f'{{"a":[{{"numeric":{n}}}]}}' for n in ('["<",0]', '["<=",0]', '[">",1e19]', '[">=",1e20,"<",1e21]', '["=",0.1]', '["=",12345678901234567890]',
                                               '[">",0,"<",1e-5]', '[">",-5.1,"<=",-5]', '["<",1e400]', '[">=",5e9]', '[">",5,"<",5]', '[">",6,"<",5]',
                                               '[">=",5,"<=",5]')] +
     [r'{"a":[{"anything-but":[0,0.1,100000000000000000000]}]}', r'{"a":[{"anything-but":12345678901234567890}]}',
      r'{"a":[{"numeric":[">",0]},12345678901234567890]}']),
    ("addresses", [f'{{"a":"{t}"}}' for t in (
        "10.0.0.33", "10.0.0.32", "10.255.255.255", "11.0.0.0", "010.0.0.33", "10.0.0.256", "10.0.0", "0:0:0:0:0:0:0:1", "::1", "::ffff:a00:21",
        "::ffff:10.0.0.33", "fd00::1", "FD00:0::0001", "fe80::", "2001:db8::ff", "", "x", "10.0.0.33 ", "::", ":", "1::2::3", "12345::", "0.0.0.0",
        "255.255.255.255", "1.2.3.4.5", "host")] + [r'{"a":10}', r'{"a":null}'],
     [f'{{"a":["{t}"]}}' for t in ("10.0.0.33", "::1", "fd00::1", "010.0.0.33", "10.0.0.256", "::ffff:a00:21", "255.255.255.255", "x")] +
     [f'{{"a":[{{"cidr":"{t}"}}]}}' for t in ("10.0.0.0/8", "10.0.0.32/31", "10.0.0.33/24", "fd00::/8", "::1/127", "10.0.0.0/32",
                                             "::/128", "10.0.0.0", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/9", "x/8", "2001:db8::/32", "fe80::/10")] +
     [r'{"a":[{"exactly":"10.0.0.33"}]}', r'{"a":[{"anything-but":"10.0.0.33"}]}', r'{"a":[{"anything-but":["::1","x"]}]}',
      r'{"a":[{"prefix":"10."},{"cidr":"11.0.0.0/8"}]}', r'{"a":[{"cidr":10}]}']),
    ("wildcards", [f'{{"a":"{t}"}}' for t in (
        "", "a", "ab", "abc", "aXbXc", "*", "a*b", r"a\\b", "hello", "hellohello", "aaaa", "abab", "ababab", "hxllo", "heo", r"a\"b", "äö", "日本語", "ae*")],
     [f'{{"a":[{{"wildcard":"{t}"}}]}}' for t in (
         "*", "a*", "*a", "a*c", "*b*", "a*b*c", "he*lo", "h*l*o", "hello", r"\\*", r"a\\*b", r"a\\\\b", r"\\*a", "a**", "**", r"a\\b", r"a\\", "*ab*ab",
         "ab*ab", "*aa*aa*", "ä*", "*語", "日*語", "h*o*o", r"*\"*", "a*b*", "*l*l*", "*e*o", r"ae\\*", r"*\\*")] +
     [r'{"a":[{"wildcard":5}]}', r'{"a":[{"wildcard":["a"]}]}', r'{"a":[{"anything-but":{"wildcard":["a*","*o"]}}]}',
      r'{"a":[{"anything-but":{"wildcard":"a**"}}]}', r'{"a":[{"anything-but":{"wildcard":"*b*"}}]}']),
    ("upper and lower case", [f'{{"a":"{t}"}}' for t in (
        "strasse", "STRASSE", "straße", "STRAßE", "straSSe", "ÄÖÜ", "äöü", "Äöü", "ǅ", "ǆ", "Ǆ", "İ", "i", "I", "ı", "Σ", "σ", "ς", "ⱥ", "Ⱥ", "ΰ", "Ϋ́",
        "ﬀ", "FF", "ff", "K", "k", "Å", "å", "abc", "ABC", "aBc", "ab", "xabc", "abcx", "日本", "ŉ", "ʼN")],
     [f'{{"a":[{{"{o}":"{t}"}}]}}' for o, t in [("equals-ignore-case", t) for t in (
         "strasse", "straße", "STRASSE", "äöü", "ÄÖÜ", "ǅ", "i", "I", "İ", "ı", "σ", "ς", "Ⱥ", "ⱥ", "ΰ", "ﬀ", "k", "K", "å", "abc", "日本", "ŉ")]] +
     [f'{{"a":[{{"{o}":{{"equals-ignore-case":"{t}"}}}}]}}' for o in ("prefix", "suffix", "anything-but")
      for t in ("abc", "straße", "ü", "ⱥ", "ΰ", "ŉ", "se")] +
     [r'{"a":[{"anything-but":{"equals-ignore-case":["abc","straße"]}}]}', r'{"a":[{"prefix":{"equals-ignore-case":""}}]}']),
    ("$or", [
        r'{"source":"aws.cloudwatch","metricName":"CPUUtilization"}', r'{"source":"aws.cloudwatch","metricName":"CPUUtil","namespace":"AWS/EC2"}',
        r'{"source":"aws.cloudwatch","metricType":"MetricType","namespace":"AWS/ES"}', r'{"source":"aws.cloudwatch","scope":"Service"}',
        r'{"source":"aws.cloudwatch","metricType":"MetricType","namespace":"AWS/ES","spaceId":1000}', r'{"source":"other","scope":"Service"}',
        r'{"metricName":"ReadLatency","detail":{"source":"aws.cloudwatch"}}', r'{"namespace":"AWS/EC2","detail":{"detail-type":"CloudWatch Alarm State Change"}}',
        r'{"source":"aws.cloudwatch","detail":{"state":{"value":"ALARM"}},"withoutConfiguration":{"metric":{"name":"AWS/Default"}}}',
        r'{"source":"aws.cloudwatch","detail":{"state":{"value":"ALARM"}},"withConfiguration":{"metrics":[{"metricStat":{"metric":{"namespace":"AWS/EC2"}}}]}}',
        r'{"$or":[{"metricName":"CPUUtilization"}]}',
    ], [
        r'{"$or":[{"metricName":["CPUUtilization","ReadLatency"]},{"namespace":["AWS/EC2","AWS/ES"]}]}',
        r'{"$or":[{"metricName":["CPUUtilization","ReadLatency"]},{"namespace":["AWS/EC2","AWS/ES"]}],"detail":{"$or":[{"source":["aws.cloudwatch"]},{"detail-type":["CloudWatch Alarm State Change"]}]}}',
        r'{"source":["aws.cloudwatch"],"$or":[{"metricName":["CPUUtilization","ReadLatency"]},{"metricType":["MetricType"],"namespace":["AWS/EC2","AWS/ES"]},{"scope":["Service"]}]}',
        r'{"source":["aws.cloudwatch"],"$or":[{"metricName":["CPUUtilization","ReadLatency"]},{"metricType":["MetricType"],"namespace":["AWS/EC2","AWS/ES"],"$or":[{"metricId":[1234]},{"spaceId":[1000]}]},{"scope":["Service"]}]}',
        r'{"source":["aws.cloudwatch"],"detail":{"state":{"value":["ALARM"]}},"$or":[{"withConfiguration":{"metrics":{"metricStat":{"metric":{"namespace":["AWS/EC2"]}}}}},{"withoutConfiguration":{"metric":{"name":["AWS/Default"]}}}]}',
        r'{"$or":[{"scope":["Service"]},{"metricName":["CPUUtilization"]}],"source":[{"anything-but":"other"}]}',
        r'{"$or":[{"scope":["Service"]}]}', r'{"$or":[]}', r'{"$or":{"scope":["Service"],"source":["other"]}}', r'{"$or":["a","b"]}',
        r'{"$or":[{"scope":["Service"]},"x"]}', r'{"$or":[{"prefix":["a"]},{"scope":["b"]}]}', r'{"$or":[{"numeric":123},{"prefix":"abc"}]}',
        r'{"$or":[{},{"scope":["Service"]}]}', r'{"source":["other"],"$or":[{"source":["aws.cloudwatch"]},{"scope":["x"]}]}',
        r'{"$or":[{"scope":["Service"]},{"a":{"suffix":["x"]}}]}', r'{"$or":[{"scope":[{"exists":false}]},{"source":["other"]}]}',
        r'{"$or":[{"$or":[{"scope":["Service"]},{"metricName":["CPUUtilization"]}]},{"namespace":["AWS/EC2"]}]}',
        r'{"$or":[{"a":{"=":["x"]}},{"b":["y"]}]}', r'{"$or":[{"regex":["x"]},{"b":["y"]}]}', r'{"a":{"$or":[1,2]}}',
    ]),
    ("absence and the order of names", [
        r'{"a":[{"b":1},{"x":2}]}', r'{"a":[{"x":2},{"y":1}]}', r'{"a":[{"x":2,"y":1}]}', r'{"a":[{"x":2,"b":1},{"x":3}]}', r'{"a":[{"x":2,"y":[{"z":1},{"w":2}]}]}',
        r'{"a":[{"x":2},{"x":3,"y":[{"w":2}]}]}', r'{"a":[{"x":1,"l":[{"m":1},{"n":2}]},{"x":2,"l":[{"m":1,"n":2}]}]}', r'{"a":{"x":2}}', r'{"a":[{"y":1,"x":1},{"b":1}]}',
        r'{"a":[{"b":1,"x":1}],"c":[{"d":1},{"e":2}]}', r'{"a":[],"x":1}', r'{"a":[[{"x":2}],[{"y":1}]]}',
    ], [
        r'{"a":{"b":[{"exists":false}],"x":[{"exists":true}]}}', r'{"a":{"x":[{"exists":true}],"y":[{"exists":false}]}}', r'{"a":{"x":[2],"y":{"z":[{"exists":false}],"w":[2]}}}',
        r'{"a":{"x":[2,3],"y":{"w":[2],"z":[{"exists":false}]}}}', r'{"a":{"l":{"m":[1],"n":[{"exists":false}]},"x":[1]}}', r'{"a":{"l":{"m":[1],"n":[{"exists":false}]},"x":[2]}}',
        r'{"a":{"l":{"m":[{"exists":false}],"n":[2]},"x":[1,2]}}', r'{"a":{"b":[{"exists":false},1],"x":[{"exists":true}]}}', r'{"a":{"x":[{"exists":false},2],"y":[{"exists":false},1]}}',
        r'{"a":{"b":[{"exists":false}],"x":[{"exists":false}],"y":[1]}}', r'{"a":{"b":[1]},"c":{"d":[1],"e":[{"exists":false}]}}', r'{"a":{"b":[1]},"c":{"d":[{"exists":false}],"e":[2]}}',
        r'{"$or":[{"a":{"x":[2],"y":[{"exists":false}]}},{"a":{"b":[{"exists":false}],"x":[1]}}]}', r'{"a":{"x":[{"exists":true},{"exists":false}],"y":[1]}}',
    ]),
    ("names with dots", [
        r'{"a.b":1}', r'{"a":{"b":1}}', r'{"a":{"b.c":1}}', r'{"a.b":{"c":1}}', r'{"a":{"b":{"c":1}}}', r'{"a.b.c":1}', r'{"a..b":1}', r'{"a.":1}', r'{"":1}',
        r'{"a":[{"b.c":1},{"b":{"c":2}}],"x":1}', r'{"a.b":1,"a":{"b":2}}',
    ], [
        r'{"a.b":[1]}', r'{"a":{"b":[1]}}', r'{"a.b":{"c":[1]}}', r'{"a":{"b.c":[1]}}', r'{"a":{"b":{"c":[1]}}}', r'{"a":{"b":{"c":[2]}}}', r'{"a..b":[1]}', r'{"a":{"":[1]}}', r'{"a.":[1]}',
        r'{"a":{"b":[2]}}', r'{"a.b":[1],"a":{"b":[2]}}', r'{"a.b":[{"exists":false}]}',
    ]),
    ("beyond posthorn's limits", [r'{"a":"x","b":1}', '{"a":' * 12 + '"x"' + "}" * 12, r'{"a":{"p":1},"b":{"p":1},"c":{"q":1},"d":{"p":1},"e":{"p":1},"f":{"q":1},"g":{"p":1}}'], [
        '{"a":' * 12 + '["x"]' + "}" * 12,
        '{"a":[' + ",".join(f'{{"prefix":"x{i}"}}' for i in range(100)) + "]}",
        '{"a":[{"anything-but":{"prefix":[' + ",".join(f'"y{i}"' for i in range(100)) + "]}}]}",
        "{" + ",".join(f'"{c}":{{"$or":[{{"p":[1]}},{{"q":[1]}}]}}' for c in "abcdefg") + "}",
        '{"a":["' + "y" * 4096 + '","x"]}',
    ]),
    ("what is no pattern", [r'{"a":"x"}', r'{"a":5}'], [
        r'{}', r'[]', r'"x"', r'{"a":"x"}', r'{"a":5}', r'{"a":null}', r'{"a":{}}', r'{"a":[]}', r'{"a":[[]]}', r'{"a":[["x"]]}', r'{"a":[{}]}', r'{"a":[{"x":1}]}',
        r'{"a":[{"prefix":1}]}', r'{"a":[{"prefix":null}]}', r'{"a":[{"prefix":["x"]}]}', r'{"a":[{"prefix":"x","suffix":"y"}]}', r'{"a":[{"prefix":{"suffix":"x"}}]}', r'{"a":[{"prefix":{}}]}',
        r'{"a":[{"suffix":true}]}', r'{"a":[{"suffix":{"equals-ignore-case":5}}]}', r'{"a":[{"suffix":{"equals-ignore-case":"x","prefix":"y"}}]}', r'{"a":[{"equals-ignore-case":["x"]}]}',
        r'{"a":[{"exactly":5}]}', r'{"a":[{"exists":"true"}]}', r'{"a":[{"exists":1}]}', r'{"a":[{"exists":true,"prefix":"x"}]}', r'{"a":[{"numeric":5}]}', r'{"a":[{"numeric":[]}]}',
        r'{"a":[{"numeric":["="]}]}', r'{"a":[{"numeric":["=","5"]}]}', r'{"a":[{"numeric":["=",5,6]}]}', r'{"a":[{"numeric":["!=",5]}]}', r'{"a":[{"numeric":["<",5,">",1]}]}',
        r'{"a":[{"numeric":[">",1,">",5]}]}', r'{"a":[{"numeric":["=",5,"<",6]}]}', r'{"a":[{"numeric":[5,"<"]}]}', r'{"a":[{"numeric":["<",5,"<",6]}]}', r'{"a":[{"numeric":[">",1,"<",5,"<",6]}]}',
        r'{"a":[{"anything-but":null}]}', r'{"a":[{"anything-but":true}]}', r'{"a":[{"anything-but":[]}]}', r'{"a":[{"anything-but":["x",5]}]}', r'{"a":[{"anything-but":[null]}]}',
        r'{"a":[{"anything-but":{}}]}', r'{"a":[{"anything-but":{"numeric":["<",5]}}]}', r'{"a":[{"anything-but":{"exists":true}}]}', r'{"a":[{"anything-but":{"prefix":""}}]}',
        r'{"a":[{"anything-but":{"suffix":""}}]}', r'{"a":[{"anything-but":{"prefix":5}}]}', r'{"a":[{"anything-but":{"prefix":["x",5]}}]}', r'{"a":[{"anything-but":{"prefix":"x","suffix":"y"}}]}',
        r'{"a":[{"anything-but":{"prefix":["x","y"]}}]}', r'{"a":[{"anything-but":{"suffix":["x","y"]}}]}', r'{"a":[{"anything-but":["x"],"exists":true}]}', r'{"a":[{"cidr":"10.0.0.0/33"}]}',
        r'{"a":[{"cidr":{"x":1}}]}', r'{"a":[{"regex":"x"}]}', r'{"a":[{"Prefix":"x"}]}', r'{"a":["x",{"prefix":"y"},5,null,{"exists":false}]}', r'{"a":["x"]', r'{"a":["x",]}', r'',
    ]),
]

# Where posthorn says something else, and why. The key is a pattern with an event.
DIFFERENT = [
    ("an address of IPv6 is in no block of IPv4, and the other way round", r'{"a":[{"cidr":"10.0.0.0/8"}]}', r'{"a":"0a50::1"}', "0"),
    ("an address of IPv6 is in no block of IPv4, and the other way round", r'{"a":[{"cidr":"::/0"}]}', r'{"a":"10.0.0.33"}', "0"),
    ("a number is in no block", r'{"a":[{"cidr":"16.0.0.0/8"}]}', r'{"a":105}', "0"),
    ("characters beyond U+FFFF have no case, but are compared", r'{"a":[{"equals-ignore-case":"😀"}]}', r'{"a":"😀"}', "1"),
    ("a quote at the end of a prefix is a character like others", r'{"a":[{"prefix":"abc\""}]}', r'{"a":"abc"}', "0"),
    ("a quote at the begin of a suffix is a character like others", r'{"a":[{"suffix":"\"abc"}]}', r'{"a":"abc"}', "0"),
    ("a member that is given twice is an error, also $or", r'{"$or":[{"a":[1]},{"b":[1]}],"$or":[{"c":[1]},{"d":[1]}]}', r'{"a":1,"c":1}', "x"),
    ("a member without a name is a field", r'{"a":{"":[1]}}', r'{"a":{"":1}}', "1"),
    ("names in an object without a name are below it", r'{"":{"a":[1]}}', r'{"a":1}', "0"),
    ("the smallest number is 5e-324, which the reference writes with two digits", r'{"a":[{"numeric":[">",0]}]}', r'{"a":5e-324}', "1"),
]
