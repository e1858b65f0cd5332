"""Words that stand with a capital at the beginning of a sentence without being a name: such a name needs more proof."""

from __future__ import annotations

EVERYDAY = frozenset(
    """
    access account act action active adapt advance advantage affirm agenda agile aim air alert alliance ally alpha
    alternative amber ambition anchor angle answer apex apple arch archer arena ark arrow art ascend ascent ask asset
    atlas aurora avenue award axis balance ball band bank banner bar barrel base basic basis bath bay beacon beam bean
    bear beat bee bell belt bench berry best beyond big bill bird black blend block bloom blue board bold bolt bond
    book boost border boss bound box branch brand brave bread breeze brick bridge bright broad brook brother brown
    bubble bucket build builder bull bureau cable calm camp canal candle canvas canyon cap capital card care cargo
    carrier case cash castle catalyst cause cave cedar center central century chain challenge champion chance change
    channel chapter charge charter chase check chemical chief choice circle citizen city civil clarity class classic
    clean clear clever cliff clock cloud clover club coach coast coastal code coin cold collective comet comfort
    command common community compass complete concept concord concrete connect constant contact container contour
    control convoy copper coral core corner cosmos cotton council count country courage courier course cover craft
    crane cream creation creative credit crest crossing crown crystal cube culture current custom cycle daily dash data
    dawn day deal deep deer delight delta depot desert design desk detail dial diamond digital direct discover
    discovery dish distance diversified division dock dollar domain dome door double dove dragon draw dream drive drop
    dual due dynamic eagle early earth east easy echo edge edition effect elastic electric element elevate elite
    embark emerald empire energy engage engine enterprise entity envision equal equinox equity era essence essential
    establish estate eternal even ever evergreen everyday evolve exact excel exchange exclusive execute expedition
    expert explore express extra eye fabric face factor fair faith falcon family fast feather federal field fifth fig
    figure final financial find fine finish fire firm first fit five flag flame flash flat fleet flex flight flow
    flower focus fold food force forest forge form formula fort forth fortune forum forward foundation founder fountain
    four fox frame free freedom fresh friend front frontier fruit fuel full fund fusion future galaxy gap garden gate
    gateway gem general generation genesis gentle giant gift glass global globe glory go goal gold golden good grace
    grain grand granite graph grass gravity great green grid ground group grove growth guard guardian guide gulf guru
    habit hall hammer hand happy harbor harbour harmony harvest haven hawk health heart heath height help her heritage
    hero high hill hilton his hive holiday home honest honey hood hook hope horizon horse host hotel hour house hub
    human humble hundred hunter ideal idea image imagine impact imperial impulse in independence index indigo
    industrial industry infinite infinity influence inform initiative inner innovation insight inspire instant
    institute integral intelligence interest international iris iron island ivory jade jet join journal journey joy
    jump junction junior just keen keep kernel key kind king kingdom kite knight knot label lake lamp land landmark
    lane large laser last laurel law layer lead leader leaf league leap learn ledger legacy legend lemon level lever
    liberty library life lift light lighthouse limit line link lion liquid list live local lock lodge logic long look
    loop lotus love low loyal lunar luxury machine magic magnet magnolia main major maker manor maple march marine
    mark market marvel mass master match matrix matter maximum maze meadow meaning measure medal media medium meet
    mega mentor mercury meridian merit mesh message metal meter method metro middle mile milestone mill mind mine
    mineral mint minute mirror mission mobile mode model modern moment momentum monarch money monitor moon moose more
    morning moss mother motion motor mountain move movement muse music mutual narrative national native nature navigator
    near neat nest net network neutral new news next nexus night nine noble nomad noon nord normal north notable note
    notion nova now nucleus number nurture oak oasis object observer ocean octopus offer office olive omega omni one
    only onward opal open opera optimal optimum option oracle orange orbit orchard orchid order origin original osprey
    other otter our outcome outlook oval over owl oxygen ozone pace pacific pack page paint pair palace palm panel
    panorama paper parade paradigm parallel park partner party pass passage passion past patch path patriot pattern pay
    peace peach peak pearl pebble pelican penguin people perch perfect perform period phase phoenix photo pick piece
    pilot pine pinnacle pioneer pipe pivot pixel place plain plan planet plant plate platform play plaza pledge plus
    point polar pole policy pond pool pop port portal position positive post power practice prairie precious precise
    precision premier premium press prestige pride primary prime print prism private pro process produce product
    profile program progress project promise proof proper prospect prosper protect proud provident public pulse pure
    purpose push quality quantum quarter quartz queen quest quick quiet quote race radar radiant radius rail rain
    rainbow ranch range rapid rare rate rational raven ray reach reaction ready real realm reason rebel record red
    reef reference refine reflex reform refuge region regular relay reliable reliance relief remedy render renew
    republic request rescue reserve resolute resolve resource respond response rest result return reveal review
    revolution reward rich ridge right ring rise rival river road robust rock rocket root rose rotor round route royal
    ruby rule run rush safe safety saga sage sail salt same sand sapphire save savvy scale scene scholar school science
    scope scout sea seal search season second secret sector secure security seed select senior sense sentinel sequoia
    series serve service set seven shade shadow shape share sharp shell shelter shield shift shine ship shop shore
    short show side sigma sign signal signature silver simple single site six sky sleep slice slide small smart smile
    smooth snap snow social soft solar solid solution sonic sons soul sound source south space spark spectrum speed
    sphere spin spire spirit splash sport spot spread spring sprint sprout square stable stadium staff stage standard
    star start state station stay steady steel stellar stem step sterling still stitch stock stone store storm story
    straight strategy stream street strength stride strike string strong structure studio style success summit sun
    sunrise sunshine super superior supply support supreme sure surf surface surge swan sweet swift switch symbol
    symphony syndicate system table tablet tale talent talk tangent target task taste tea team tech telegraph temple
    ten terminal terra territory test texture thread three thrive tide tiger timber time titan title today together
    token top torch total touch tower town track trade tradition trail train transform transit travel treasure tree
    trend triangle tribe tribune trident trinity trio triple triumph true trust truth tundra turbo turn twin two
    ultimate umbrella union unique unit unite united unity universal universe up upper urban vale valiant valley value
    vanguard vantage vault vector venture verb verge veritable verse vertex vertical vessel victor victory view village
    vine vintage virtual virtue vision visit vista visual vital vivid voice volt voyage wagon walk wall wander water
    wave way wealth web well west wheel whisper white wide wild will willow win wind window wing winner winter wire
    wireless wise wish wolf wonder wood word work works world worth yard year yellow young zebra zenith zephyr zero
    zest zone zoom
    """.split()  # noqa: SIM905 - a list of its own lines would be a thousand long
)
